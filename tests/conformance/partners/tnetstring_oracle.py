"""Answers for the package tnetstring3, which is not ours, line by line; bytes in hexadecimal.

"again X": reads X, and says "ok" and how it writes the same value, or "no".
"make SEED": says a random value, which is the same for the same seed.
"same X Y": says "same" if both are read as the same value, of the same types.
"""

import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "python_modules"))
try:
    import tnetstring
except ImportError as error:
    sys.exit(f"{error}; `cargo xtask test conformance` installs it")

# The depth of random values; the size grows with its power.
DEPTH = 4


def alike(one, other):
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    return repr(one) == repr(other)


def anything(chance, depth):
    """What both sides can express: keys are strings, integers have 64 bits, floats are finite."""
    kind = chance.randrange(9 if depth else 7)
    if kind == 0:
        return None
    if kind == 1:
        return chance.random() < 0.5
    if kind == 2:
        return chance.randint(-(2 ** chance.randint(0, 63)), 2 ** chance.randint(0, 63) - 1)
    if kind == 3:
        return chance.uniform(-1, 1) * 10.0 ** chance.randint(-300, 300)
    if kind == 4:
        return float(chance.randint(-1000, 1000))
    if kind in (5, 6):
        return chance.randbytes(chance.choice((0, 1, 9, 10, 99, 300)))
    items = [anything(chance, depth - 1) for _ in range(chance.randrange(6))]
    if kind == 7:
        return items
    return {chance.randbytes(chance.randrange(5)): item for item in items}


def read(text):
    data = bytes.fromhex(text)
    value, rest = tnetstring.pop(data)
    if rest:
        raise ValueError("something follows")
    return value


def answer(word, *texts):
    if word == "make":
        return tnetstring.dumps(anything(random.Random(int(texts[0])), DEPTH)).hex()
    if word == "same":
        return "same" if alike(*map(read, texts)) else "different"
    try:
        return "ok " + tnetstring.dumps(read(texts[0])).hex()
    except ValueError:
        return "no"


for line in sys.stdin:
    # An empty value has no text.
    print(answer(*line.rstrip("\n").split(" ")), flush=True)
