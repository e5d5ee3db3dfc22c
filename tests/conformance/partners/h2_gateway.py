"""A gateway in Python: answers the upgrade by hand, then is the h2 library's client on that socket.

Prints "listening <port>", then for each line of standard input, "METHOD PATH BYTES", sends that
request (with that many bytes of body) and prints "STATUS LENGTH SUM" of the answer, where SUM is
the sum of all bytes.
"""

import socket
import sys

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded, StreamReset


def accept():
    listener = socket.create_server(("127.0.0.1", 0))
    print("listening", listener.getsockname()[1], flush=True)
    sock, _ = listener.accept()
    head = b""
    while b"\r\n\r\n" not in head:
        head += sock.recv(65536)
    fields = dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:] if ": " in line)
    if fields.get("upgrade") != "ptth" or "h2" not in fields.get("alpn", ""):
        sys.exit(f"not our upgrade: {head!r}")
    sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: ptth\r\nALPN: h2\r\n\r\n")
    return sock


def main():
    sock = accept()
    conn = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
    conn.initiate_connection()
    sock.sendall(conn.data_to_send())
    for line in sys.stdin:
        method, path, count = line.split()
        body = bytearray(byte % 256 for byte in range(int(count)))
        stream = conn.get_next_available_stream_id()
        head = [(":method", method), (":scheme", "http"), (":authority", "photos.gateway.example"), (":path", path)]
        conn.send_headers(stream, head, end_stream=not body)
        status, length, total, done = None, 0, 0, False
        while not done:
            while body:
                room = min(conn.local_flow_control_window(stream), conn.max_outbound_frame_size, len(body))
                if room == 0:
                    break
                conn.send_data(stream, bytes(body[:room]), end_stream=room == len(body))
                del body[:room]
            sock.sendall(conn.data_to_send())
            data = sock.recv(65536)
            if not data:
                sys.exit("the peer closed")
            for event in conn.receive_data(data):
                if isinstance(event, ResponseReceived):
                    status = dict(event.headers)[":status"]
                elif isinstance(event, DataReceived):
                    length, total = length + len(event.data), total + sum(event.data)
                    conn.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, (StreamEnded, StreamReset)) and event.stream_id == stream:
                    done = True
        sock.sendall(conn.data_to_send())
        print(status, length, total, flush=True)


main()
