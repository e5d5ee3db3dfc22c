"""A peer on a WebSocket of the package websockets, and TAXI as docs/protocols/taxi.md has it.

Environment: PORT, LABEL, PROOF. Says "hello by METHOD" everywhere, and sends back what it gets at
/echo. Its messages are in fragments, and some of them text: both are allowed. A body that it sends
waits for credit.
"""

import asyncio
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "python_modules"))
try:
    import websockets
except ImportError as error:
    sys.exit(f"{error}; `cargo xtask test conformance` installs it")

WINDOW = 256 * 1024
PIECE = 10_000


class Transaction:
    """One request and its answer."""

    def __init__(self, number, request):
        self.number, self.request = number, request
        self.body = bytearray()
        self.credit = WINDOW
        self.more_credit = asyncio.Event()


class Peer:
    def __init__(self, link):
        self.link, self.transactions, self.tasks = link, {}, set()

    async def run(self):
        async for message in self.link:
            if isinstance(message, str):
                raise SystemExit("a gateway writes binary messages")
            head, _, body = message.partition(b";")
            keys = dict(pair.split("=") for pair in head.decode().split(","))
            assert int(keys["p"]) == len(message), keys
            await self.take(keys, body)

    async def take(self, keys, body):
        command, number = keys["c"], keys.get("t")
        if command == "ping":
            await self.link.send("c=pong;")
        elif command == "request":
            length = int(keys.get("h", len(body)))
            self.transactions[number] = Transaction(number, json.loads(body[:length]))
            await self.more(number, body[length:], "e" in keys)
        elif number in self.transactions:
            if command in ("data", "end"):
                assert keys["d"] == "q", keys
                await self.more(number, body, command == "end")
            elif command == "credit":
                transaction = self.transactions[number]
                transaction.credit += int(body)
                transaction.more_credit.set()
            elif command == "abort":
                del self.transactions[number]

    async def more(self, number, body, end):
        transaction = self.transactions[number]
        transaction.body += body
        if end:
            task = asyncio.create_task(self.answer(transaction))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        elif body:
            await self.link.send(f"c=credit,t={number};{len(body)}")

    async def answer(self, transaction):
        request, number = transaction.request, transaction.number
        body = bytes(transaction.body)
        if request["REQUEST_URI"] != "/echo":
            body = b"hello by " + request["REQUEST_METHOD"].encode()
        headers = [
            ["Content-Length", str(len(body))],
            ["X-Seen-Host", request["HTTP_HOST"]],
            ["X-Seen-Url", request["REQUEST_URI"]],
        ]
        head = json.dumps({"statuscode": "200 OK", "headers": headers})
        # An iterable goes out as fragments of one message.
        await self.link.send([f"c = response, t = {number};", head[:10], head[10:]])
        if request["REQUEST_METHOD"] == "HEAD":
            body = b""
        while body:
            while not transaction.credit:
                transaction.more_credit.clear()
                await transaction.more_credit.wait()
            piece = body[: min(PIECE, transaction.credit)]
            transaction.credit -= len(piece)
            body = body[len(piece) :]
            await self.link.send([f"d=r,c=data,t={number};".encode(), piece])
        await self.link.send(f"c=end,d=r,t={number};")
        self.transactions.pop(number, None)


async def main():
    address = f"ws://127.0.0.1:{os.environ['PORT']}/ptth/{os.environ['LABEL']}"
    proof = {"Authorization": "Bearer " + os.environ["PROOF"]}
    # It offers permessage-deflate, as it does by itself.
    async with websockets.connect(address, subprotocols=["taxi"], additional_headers=proof) as link:
        assert link.subprotocol == "taxi" and not link.protocol.extensions
        print("ready", flush=True)
        await Peer(link).run()


asyncio.run(main())
