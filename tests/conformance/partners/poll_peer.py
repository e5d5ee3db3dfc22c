"""A classic peer by long poll, with nothing but the standard library: a fresh proof in each POST.

Environment: PORT, LABEL. Prints "proof" when it needs one, and reads it from standard input, where
people would run `veranda-peer proof`.
"""

import json
import os
import urllib.request

WHERE = f"http://127.0.0.1:{os.environ['PORT']}/ptth/{os.environ['LABEL']}"


def post(document):
    print("proof", flush=True)
    headers = {"Authorization": f"Bearer {input()}", "Content-Type": "application/json", "Host": "localhost"}
    with urllib.request.urlopen(urllib.request.Request(WHERE, document, headers, method="POST")) as reply:
        return reply.read()


while True:
    asked = post(b"")
    if not asked:
        continue
    asked = json.loads(asked)
    text = asked["body"] if asked["method"] == "POST" else f"hello by {asked['method']}"
    answer = {
        "message-id": asked["message-id"], "http-version": "PTTH/1.0", "status": 200, "reason": "OK",
        "headers": [["Content-type", "text/plain; charset=utf-8"], ["X-Seen-Url", asked["request-uri"]],
                    ["X-Seen-Host", dict(asked["headers"])["Host"]]],
        "body": "" if asked["method"] == "HEAD" else text,
    }
    assert json.loads(post(json.dumps(answer).encode())) == {}
