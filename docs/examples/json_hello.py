"""Says something to somebody over the JSON face, and waits for what is answered. Needs `pip install websockets`.

    WAXWING_PASSWORD=... python3 json_hello.py wss://chat.example.org alice@example.org bob@example.org "Hello Bob"
"""

import asyncio
import itertools
import json
import os
import sys
import uuid

import websockets


class Face:
    """One connection: requests and their answers, and the events that come meanwhile."""

    def __init__(self, socket):
        self.socket, self.numbers, self.events = socket, itertools.count(1), []

    async def receive(self):
        return json.loads(await asyncio.wait_for(self.socket.recv(), 30))

    async def call(self, method, **params):
        number = next(self.numbers)
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        await self.socket.send(json.dumps(request))
        while True:
            frame = await self.receive()
            if frame.get("method") == "event":
                self.events.append(frame["params"])
            elif "error" in frame:
                raise SystemExit(f"{method}: {frame['error']['message']}")
            else:
                return frame["result"]

    async def event(self, wanted):
        while True:
            if self.events:
                event = self.events.pop(0)
            else:
                event = (await self.receive())["params"]
            if event["type"] == wanted:
                return event


async def main():
    server, own, other, text = sys.argv[1:5]
    address = server.rstrip("/") + "/api/socket"
    async with websockets.connect(address, subprotocols=["waxwing.v1"]) as socket:
        face = Face(socket)
        credentials = {"type": "password", "address": own, "password": os.environ["WAXWING_PASSWORD"]}
        # A program that runs again and again keeps one id for its device, and a token instead of the password.
        client = {"name": "json_hello.py", "device": str(uuid.uuid4())}
        await face.call("session.sign_in", protocol=1, credentials=credentials, client=client)
        await face.call("sync.open")
        # The same client_id once more would be the same message: after a broken connection it can be sent again.
        sent = await face.call(
            "message.send", conversation=other, client_id=str(uuid.uuid4()), text=text
        )
        print("said:", sent["message"]["text"])
        while True:
            message = (await face.event("message"))["message"]
            if message["conversation"] == other and message["from"]["address"] == other:
                print("answered:", message["text"])
                break
        await face.call("conversation.read", conversation=other, position=message["position"])


asyncio.run(main())
