"""Two people of slixmpp: one publishes at his account what the other is told because she announced her interest, and at
the service what she has subscribed to (XEP-0060, XEP-0115, XEP-0163). Arguments: host, port, certificate, Romeo's
password, Juliet's password."""

import asyncio
import sys
from xml.etree import ElementTree

from slixmpp import ClientXMPP
from slixmpp.exceptions import IqError

HOST, PORT, CERTIFICATE, ROMEO, JULIET = sys.argv[1:]
SERVICE = "pubsub.localhost"
NODE = "princely_musings"
TUNE = "http://jabber.org/protocol/tune"
PATIENCE = 30


async def client(name, password):
    """Somebody who is online and wants to be told of tunes."""
    xmpp = ClientXMPP(f"{name}@localhost", password)
    xmpp.ca_certs = CERTIFICATE
    for plugin in ("xep_0004", "xep_0030", "xep_0060", "xep_0115", "xep_0163", "xep_0118"):
        xmpp.register_plugin(plugin)
    xmpp.plugin["xep_0163"].add_interest(TUNE)
    online = asyncio.Event()

    async def started(_):
        await xmpp.get_roster()
        xmpp.send_presence()
        online.set()

    xmpp.add_event_handler("session_start", started)
    xmpp.connect(HOST, int(PORT))
    await asyncio.wait_for(online.wait(), PATIENCE)
    return xmpp


def titled(message):
    """The title of the tune in a notification."""
    return message["pubsub_event"]["items"]["item"]["payload"].findtext(f"{{{TUNE}}}title")


async def personal(romeo, juliet):
    """A tune reaches a contact when it is published, and when she comes back."""
    tunes = asyncio.Queue()
    juliet.add_event_handler("user_tune_publish", tunes.put_nowait)
    approved = asyncio.Event()
    romeo.add_event_handler("presence_subscribed", lambda _: approved.set())
    # Both sides of slixmpp approve by themselves and subscribe back.
    juliet.send_presence_subscription("romeo@localhost")
    romeo.send_presence_subscription("juliet@localhost")
    await asyncio.wait_for(approved.wait(), PATIENCE)
    info = await romeo.plugin["xep_0030"].get_info(jid="romeo@localhost")
    assert ("pubsub", "pep") in [identity[:2] for identity in info["disco_info"]["identities"]], info
    await romeo.plugin["xep_0118"].publish_tune(title="Introduction", artist="Gerald Finzi")
    message = await asyncio.wait_for(tunes.get(), PATIENCE)
    assert (message["from"], titled(message)) == ("romeo@localhost", "Introduction"), message
    juliet.send_presence(ptype="unavailable")
    await romeo.plugin["xep_0118"].publish_tune(title="Moto", artist="Gerald Finzi")
    juliet.send_presence()
    message = await asyncio.wait_for(tunes.get(), PATIENCE)
    assert titled(message) == "Moto", message
    items = await juliet.plugin["xep_0060"].get_items("romeo@localhost", TUNE)
    assert len(items["pubsub"]["items"]["substanzas"]) == 1, items


async def general(romeo, juliet):
    """A node is made, subscribed to, published to, emptied and deleted."""
    here, there = romeo.plugin["xep_0060"], juliet.plugin["xep_0060"]
    await here.create_node(SERVICE, NODE)
    told = {name: asyncio.Queue() for name in ("publish", "retract", "delete")}
    for name, queue in told.items():
        juliet.add_event_handler(f"pubsub_{name}", queue.put_nowait)
    subscription = await there.subscribe(SERVICE, NODE)
    assert subscription["pubsub"]["subscription"]["subscription"] == "subscribed", subscription
    entry = ElementTree.Element("{http://www.w3.org/2005/Atom}entry")
    published = await here.publish(SERVICE, NODE, id="a", payload=entry)
    assert published["pubsub"]["publish"]["item"]["id"] == "a", published

    async def of_node(queue, key):
        while True:
            message = await asyncio.wait_for(queue.get(), PATIENCE)
            if message["pubsub_event"][key]["node"] == NODE:
                return message

    await of_node(told["publish"], "items")
    configuration = await here.get_node_config(SERVICE, NODE)
    form = configuration["pubsub_owner"]["configure"]["form"]
    assert form.get_values()["pubsub#access_model"] == "open", form
    try:
        await there.publish(SERVICE, NODE, id="b", payload=entry)
        raise AssertionError("a stranger has published")
    except IqError as error:
        assert error.condition == "forbidden", error
    subscribers = await here.get_node_subscriptions(SERVICE, NODE)
    jids = [str(one["jid"]) for one in subscribers["pubsub_owner"]["subscriptions"]]
    assert jids == ["juliet@localhost"], subscribers
    await here.retract(SERVICE, NODE, "a", notify="true")
    await of_node(told["retract"], "items")
    await here.delete_node(SERVICE, NODE)
    await of_node(told["delete"], "delete")


async def main():
    romeo, juliet = await client("romeo", ROMEO), await client("juliet", JULIET)
    await personal(romeo, juliet)
    await general(romeo, juliet)
    await asyncio.gather(romeo.disconnect(), juliet.disconnect())


asyncio.run(main())
