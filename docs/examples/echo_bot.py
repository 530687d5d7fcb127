"""A bot that repeats what somebody says to it behind the word "echo". Python's standard library is all it needs.

    WAXWING_TOKEN=wxw_... python3 echo_bot.py https://chat.example.org:5281 alice@example.org
"""

import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request


class Waxwing:
    """The API of a server, in the name of the account that the token belongs to."""

    def __init__(self, server, token):
        self.server, self.token = server.rstrip("/"), token

    def ask(self, method, path, body=None, key=None):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        if key:
            # The same key twice is one message, so a request that failed half way can be made again.
            headers["Idempotency-Key"] = key
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.server}/api/v1{path}", content, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            problem = json.load(error)
            if problem.get("retry_after_ms"):
                time.sleep(problem["retry_after_ms"] / 1000)
                return self.ask(method, path, body, key)
            raise SystemExit(f"{problem['condition']}: {problem['detail']}") from error


def main():
    server, person = sys.argv[1:3]
    once = "--once" in sys.argv[3:]
    waxwing = Waxwing(server, os.environ["WAXWING_TOKEN"])
    own = waxwing.ask("GET", "/me")["address"]
    path = f"/conversations/{urllib.parse.quote(person)}/messages"
    # With --once everything in the conversation is answered; otherwise what comes from now on.
    newest = [] if once else waxwing.ask("GET", f"{path}?limit=1")["messages"]
    after = newest[-1]["id"] if newest else None
    while True:
        query = f"?after={urllib.parse.quote(after)}" if after else ""
        page = waxwing.ask("GET", path + query)
        for message in page["messages"]:
            after = message["id"]
            if message["from"]["address"] != own and message["text"].startswith("echo "):
                answer = {"text": message["text"][5:], "reply_to": message["id"]}
                waxwing.ask("POST", path, answer, key=f"echo-{message['id']}")
        if once:
            return
        if not page["more"]:
            time.sleep(2)


if __name__ == "__main__":
    main()
