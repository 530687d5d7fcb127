"""Two people of slixmpp in a room: one speaks, the other hears it once, and reads it again in the room's archive
(XEP-0045, XEP-0313, XEP-0410). Arguments: host, port, certificate, Romeo's password, Juliet's password."""

import asyncio
import sys

from slixmpp import ClientXMPP

HOST, PORT, CERTIFICATE, ROMEO, JULIET = sys.argv[1:]
ROOM = "balcony@rooms.localhost"
PATIENCE = 30


async def client(name, password):
    """Somebody who is online."""
    xmpp = ClientXMPP(f"{name}@localhost", password)
    xmpp.ca_certs = CERTIFICATE
    for plugin in ("xep_0004", "xep_0030", "xep_0045", "xep_0199", "xep_0313"):
        xmpp.register_plugin(plugin)
    online = asyncio.Event()

    async def started(_):
        xmpp.send_presence()
        await xmpp.get_roster()
        online.set()

    xmpp.add_event_handler("session_start", started)
    xmpp.connect(HOST, int(PORT))
    await asyncio.wait_for(online.wait(), PATIENCE)
    return xmpp


async def main():
    romeo, juliet = await client("romeo", ROMEO), await client("juliet", JULIET)
    items = await juliet.plugin["xep_0030"].get_items(jid="localhost")
    assert "rooms.localhost" in [item[0] for item in items["disco_items"]["items"]], items
    await romeo.plugin["xep_0045"].join_muc_wait(ROOM, "Romeo", timeout=PATIENCE)
    # A new room is locked until its owner accepts what it is (section 10.1.2).
    await romeo.plugin["xep_0045"].set_room_config(ROOM, romeo.plugin["xep_0004"].make_form("submit"))
    heard = asyncio.Queue()
    juliet.add_event_handler("groupchat_message", heard.put_nowait)
    await juliet.plugin["xep_0045"].join_muc_wait(ROOM, "Juliet", timeout=PATIENCE)
    romeo.send_message(ROOM, "Is the day so young?", mtype="groupchat")
    message = await asyncio.wait_for(heard.get(), PATIENCE)
    assert (message["from"], message["body"]) == (f"{ROOM}/Romeo", "Is the day so young?"), message
    # Whoever is in a room may ask whether he still is (XEP-0410).
    await juliet.plugin["xep_0199"].send_ping(f"{ROOM}/Juliet", timeout=PATIENCE)
    archive = await juliet.plugin["xep_0313"].retrieve(jid=ROOM)
    bodies = [result["mam_result"]["forwarded"]["stanza"]["body"] for result in archive["mam"]["results"]]
    assert bodies == ["Is the day so young?"], bodies
    assert heard.empty(), "a message was heard twice"
    await asyncio.gather(romeo.disconnect(), juliet.disconnect())


asyncio.run(main())
