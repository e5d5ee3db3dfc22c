"""Petrichor in Python 3, from the description of 2012: TNetstrings, and the six primitives.

Strings are bytes. Lax where the reference of TNetstrings is lax. Nothing but the standard library.
"""

import socket


def dump(value):
    if value is None:
        return b"0:~"
    if value is True:
        return b"4:true!"
    if value is False:
        return b"5:false!"
    if isinstance(value, int):
        payload, kind = str(value).encode(), b"#"
    elif isinstance(value, float):
        payload, kind = b"%f" % value, b"^"
    elif isinstance(value, str):
        payload, kind = value.encode(), b","
    elif isinstance(value, bytes):
        payload, kind = value, b","
    elif isinstance(value, dict):
        payload, kind = b"".join(dump(key) + dump(item) for key, item in value.items()), b"}"
    else:
        payload, kind = b"".join(dump(item) for item in value), b"]"
    return b"%d:%s%s" % (len(payload), payload, kind)


def parse(data):
    """Returns the first value and what follows it."""
    size, _, rest = data.partition(b":")
    size = int(size)
    payload, kind, rest = rest[:size], rest[size:size + 1], rest[size + 1:]
    if kind == b",":
        return payload, rest
    if kind == b"#":
        return int(payload), rest
    if kind == b"^":
        return float(payload), rest
    if kind == b"!":
        return payload == b"true", rest
    if kind == b"~":
        return None, rest
    items = []
    while payload:
        item, payload = parse(payload)
        items.append(item)
    if kind == b"]":
        return items, rest
    assert kind == b"}", kind
    return dict(zip(items[::2], items[1::2], strict=True)), rest


def read_payload(conn):
    size = b""
    while not size.endswith(b":"):
        byte = conn.read(1)
        if not byte:
            return b""
        size += byte
    return size + conn.read(int(size[:-1]) + 1)


def read_chunk(conn):
    payload = read_payload(conn)
    return parse(payload)[0] if payload else None


def recv(conn):
    header = read_chunk(conn)
    if not isinstance(header, dict):
        return None, None
    return header, read_chunk(conn)


def send(conn, header, body):
    conn.write(dump(header) + dump(body))
    conn.flush()


def connect(host, port, header, body=b"", timeout=20):
    sock = socket.create_connection((host, port), timeout)
    sock.setblocking(True)
    conn = sock.makefile("rwb")
    header, body = request(conn, header, body)
    return sock, conn, header, body


def connect_allowed(header):
    return header.get(b"allowed", True)


def accept(conn):
    return recv(conn)


def peer_allowed(conn, header, msg):
    send(conn, {**header, "allowed": True}, msg)


def peer_denied(conn, header, msg):
    send(conn, {**header, "allowed": False}, msg)


def request(conn, header, body):
    send(conn, header, body)
    return recv(conn)
