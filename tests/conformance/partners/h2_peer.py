"""A peer in Python: raw upgrade, then the h2 library as the server on the dialled socket.

Environment: PORT, LABEL, PROOF. Prints "ready" after the 101.
"""

import os
import socket
import sys

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, RequestReceived, StreamEnded, WindowUpdated


def upgrade(sock):
    port, label, proof = (os.environ[name] for name in ("PORT", "LABEL", "PROOF"))
    head = (
        f"GET /ptth/{label} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: Upgrade\r\n"
        f"Upgrade: ptth\r\nALPN: h2\r\nAuthorization: Bearer {proof}\r\n\r\n"
    )
    sock.sendall(head.encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        more = sock.recv(65536)
        if not more:
            sys.exit(f"closed during the upgrade: {answer!r}")
        answer += more
    head, rest = answer.split(b"\r\n\r\n", 1)
    lines = head.decode().split("\r\n")
    fields = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines[1:])}
    if " 101 " not in lines[0] or fields.get("upgrade") != "ptth" or fields.get("alpn") != "h2":
        sys.exit(f"refused: {head!r}")
    return rest


def main():
    sock = socket.create_connection(("127.0.0.1", int(os.environ["PORT"])))
    rest = upgrade(sock)
    conn = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
    conn.initiate_connection()
    sock.sendall(conn.data_to_send())
    print("ready", flush=True)
    requests, pending = {}, {}

    def flush(stream):
        body = pending[stream]
        while body:
            room = min(conn.local_flow_control_window(stream), conn.max_outbound_frame_size, len(body))
            if room == 0:
                return
            conn.send_data(stream, bytes(body[:room]))
            del body[:room]
        conn.end_stream(stream)
        del pending[stream]

    while True:
        data, rest = (rest, b"") if rest else (sock.recv(65536), b"")
        if not data:
            return
        for event in conn.receive_data(data):
            if isinstance(event, RequestReceived):
                requests[event.stream_id] = (dict(event.headers), bytearray())
            elif isinstance(event, DataReceived):
                requests[event.stream_id][1].extend(event.data)
                conn.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                head, body = requests.pop(event.stream_id)
                answer = body if head[":method"] == "POST" else bytearray(f"hello by {head[':method']}".encode())
                conn.send_headers(
                    event.stream_id,
                    [(":status", "200"), ("content-length", str(len(answer))),
                     ("x-seen-host", head[":authority"]), ("x-seen-url", head[":path"])],
                )
                pending[event.stream_id] = answer
                flush(event.stream_id)
            elif isinstance(event, WindowUpdated):
                for stream in list(pending):
                    flush(stream)
            elif isinstance(event, ConnectionTerminated):
                return
        sock.sendall(conn.data_to_send())


main()
