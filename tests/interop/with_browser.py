"""Somebody on slixmpp talks with somebody at a browser, alone and in a room; the browser's side is `web/e2e/with-xmpp.ts`.
Arguments: host, port, certificate, the own password, the other's address, the room."""

import asyncio
import sys

from slixmpp import ClientXMPP

HOST, PORT, CERTIFICATE, PASSWORD, OTHER, ROOM = sys.argv[1:]
PATIENCE = 60


async def until(queue, body):
    """Waits for a message that says this."""
    while True:
        message = await asyncio.wait_for(queue.get(), PATIENCE)
        if message["body"] == body:
            return message


async def main():
    xmpp = ClientXMPP("nurse@localhost", PASSWORD)
    xmpp.ca_certs = CERTIFICATE
    for plugin in ("xep_0030", "xep_0045", "xep_0199", "xep_0249", "xep_0359", "xep_0444"):
        xmpp.register_plugin(plugin)
    online, heard, in_room = asyncio.Event(), asyncio.Queue(), asyncio.Queue()

    async def started(_):
        xmpp.send_presence()
        await xmpp.get_roster()
        online.set()

    xmpp.add_event_handler("session_start", started)
    xmpp.add_event_handler("message", lambda m: heard.put_nowait(m) if m["type"] == "chat" else None)
    xmpp.add_event_handler("groupchat_message", in_room.put_nowait)
    xmpp.connect(HOST, int(PORT))
    await asyncio.wait_for(online.wait(), PATIENCE)

    xmpp.send_message(OTHER, "Hello from an XMPP client", mtype="chat")
    answer = await until(heard, "Hello from a browser")
    assert answer["from"].bare == OTHER, answer
    xmpp.plugin["xep_0444"].send_reactions(answer["from"].bare, answer["id"], ["👍"])

    # The room is made at the browser meanwhile.
    await until(heard, "Come to the room")
    await xmpp.plugin["xep_0045"].join_muc_wait(ROOM, "nurse", maxstanzas=0, timeout=PATIENCE)
    xmpp.send_message(ROOM, "I am here, on an XMPP client", mtype="groupchat")
    said = await until(in_room, "Welcome, from a browser")
    assert said["from"].bare == ROOM, said
    await xmpp.disconnect()
    print("slixmpp: heard everything")


asyncio.run(main())
