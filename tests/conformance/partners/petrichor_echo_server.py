"""An echo server on Petrichor's primitives, one conversation after the other.

Prints "listening PORT", then for each conversation who it was and "ALL DONE". Says no to mallory,
and, as the description has it, goes on all the same. Four bodies are not said back: to "bye" it
closes, to "cut" too, in the middle of a pair, to "damage" it answers what is no TNetstring, and to
"list" with a list that is no header.
"""

import socketserver

import petrichor


class Conversation(socketserver.StreamRequestHandler):
    def handle(self):
        ident, _ = petrichor.accept(self.rfile)
        print("hello", ident[b"user"].decode(), flush=True)
        reply = {"ident": "abcd", "version": "0.1"}
        if ident[b"user"] == b"mallory":
            petrichor.peer_denied(self.wfile, {}, "go away")
        else:
            petrichor.peer_allowed(self.wfile, reply, "WELCOME")
        odd = {b"cut": b"0:}5:he", b"damage": b"05:hello,0:,", b"list": b"0:]0:,"}
        header = {}
        while header is not None:
            header, body = petrichor.recv(self.rfile)
            if header is None or body == b"bye":
                break
            if isinstance(body, bytes) and body in odd:
                self.wfile.write(odd[body])
                break
            petrichor.send(self.wfile, {}, body)
        print("ALL DONE", flush=True)


with socketserver.TCPServer(("127.0.0.1", 0), Conversation) as server:
    print("listening", server.server_address[1], flush=True)
    server.serve_forever()
