"""An echo client on Petrichor's primitives.

Environment: PORT, NAME. Prints what the greeting came to; then, for each line of its input:
"echo HEX" asks for these bytes, "raw HEX" sends them as they are, "cut HEX" does and closes its
half, "leave" ends. Prints "reply HEX", or "over" when the conversation is.
"""

import os
import socket
import sys

import petrichor


def main():
    ident = {"user": os.environ["NAME"], "ident": "0123", "version": "0.1"}
    sock, conn, header, body = petrichor.connect("127.0.0.1", int(os.environ["PORT"]), ident)
    if petrichor.connect_allowed(header):
        print("CONNECTED", body.decode(), sorted(header), flush=True)
    else:
        print("YOU WERE DENIED", body.decode(), sorted(header), flush=True)
    for line in sys.stdin:
        word, _, text = line.strip().partition(" ")
        if word == "leave":
            break
        if word == "echo":
            header, reply = petrichor.request(conn, {}, bytes.fromhex(text))
        else:
            conn.write(bytes.fromhex(text))
            conn.flush()
            if word == "cut":
                sock.shutdown(socket.SHUT_WR)
            header, reply = petrichor.recv(conn)
        print("over" if header is None else f"reply {reply.hex()}", flush=True)
    sock.close()


main()
