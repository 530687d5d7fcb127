"""Two people of slixmpp who encrypt end to end (XEP-0384): to each other, strangers at first, and in a members-only room.
Arguments: host, port, certificate, Romeo's password, Juliet's password."""

import asyncio
import sys

from omemo.storage import Just, Nothing, Storage
from slixmpp import ClientXMPP
from slixmpp.jid import JID
from slixmpp.plugins import register_plugin
from slixmpp_omemo import XEP_0384

HOST, PORT, CERTIFICATE, ROMEO, JULIET = sys.argv[1:]
ROOM = "vault@rooms.localhost"
PATIENCE = 30


class Memory(Storage):
    """Keys that last as long as the client."""

    def __init__(self):
        super().__init__()
        self.kept = {}

    async def _load(self, key):
        return Just(self.kept[key]) if key in self.kept else Nothing()

    async def _store(self, key, value):
        self.kept[key] = value

    async def _delete(self, key):
        self.kept.pop(key, None)


class Omemo(XEP_0384):
    """Trusts everybody at first sight."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.memory = Memory()

    @property
    def storage(self):
        return self.memory

    @property
    def _btbv_enabled(self):
        return True

    async def _prompt_manual_trust(self, manually_trusted, identifier):
        raise AssertionError("nobody is asked")


register_plugin(Omemo)


async def client(name, password):
    """Somebody who is online and has published his keys."""
    xmpp = ClientXMPP(f"{name}@localhost", password)
    xmpp.ca_certs = CERTIFICATE
    for plugin in ("xep_0004", "xep_0030", "xep_0045", "xep_0060", "xep_0163", "xep_0280", "xep_0334", "xep_0199"):
        xmpp.register_plugin(plugin)
    xmpp.register_plugin("xep_0384", module=sys.modules[__name__])
    online, ready = asyncio.Event(), asyncio.Event()

    async def started(_):
        xmpp.send_presence()
        await xmpp.get_roster()
        online.set()

    xmpp.add_event_handler("session_start", started)
    xmpp.add_event_handler("omemo_initialized", lambda _: ready.set())
    xmpp.heard = asyncio.Queue()
    xmpp.add_event_handler("message", lambda message: heard(xmpp, message))
    xmpp.connect(HOST, int(PORT))
    await asyncio.wait_for(online.wait(), PATIENCE)
    await asyncio.wait_for(ready.wait(), PATIENCE)
    return xmpp


def heard(xmpp, message):
    """Notes what is encrypted."""
    if xmpp.plugin["xep_0384"].is_encrypted(message):
        xmpp.heard.put_nowait(message)


async def say(sender, to, recipients, text, mtype):
    """Encrypts for these people and sends."""
    message = sender.make_message(mto=to, mbody=text, mtype=mtype)
    message.set_from(sender.boundjid)
    encrypted, errors = await sender.plugin["xep_0384"].encrypt_message(message, {JID(one) for one in recipients})
    assert encrypted is not None and not errors, errors
    assert text not in str(encrypted), "it is in the clear"
    encrypted.send()


async def hear(receiver, text):
    """The next encrypted message says this."""
    message = await asyncio.wait_for(receiver.heard.get(), PATIENCE)
    assert text not in str(message), "it came in the clear"
    decrypted, device = await receiver.plugin["xep_0384"].decrypt_message(message)
    assert decrypted["body"] == text, decrypted
    return device


async def in_a_room(romeo, juliet):
    """A room in which members see each other's addresses, as encryption needs it."""
    await romeo.plugin["xep_0045"].join_muc_wait(ROOM, "Romeo", timeout=PATIENCE)
    form = romeo.plugin["xep_0004"].make_form("submit")
    form.add_field("FORM_TYPE", "hidden", value="http://jabber.org/protocol/muc#roomconfig")
    form.add_field("muc#roomconfig_membersonly", "boolean", value="1")
    form.add_field("muc#roomconfig_whois", "list-single", value="anyone")
    await romeo.plugin["xep_0045"].set_room_config(ROOM, form)
    await romeo.plugin["xep_0045"].set_affiliation(ROOM, "member", jid=JID("juliet@localhost"))
    await juliet.plugin["xep_0045"].join_muc_wait(ROOM, "Juliet", timeout=PATIENCE)
    members = ["romeo@localhost", "juliet@localhost"]
    await say(romeo, ROOM, members, "Meet me at the tomb", "groupchat")
    assert (await hear(juliet, "Meet me at the tomb")).bare_jid == "romeo@localhost"
    # One's own comes back, and is known by its id.
    await hear(romeo, "Meet me at the tomb")
    await say(juliet, ROOM, members, "At midnight", "groupchat")
    assert (await hear(romeo, "At midnight")).bare_jid == "juliet@localhost"


async def main():
    romeo, juliet = await client("romeo", ROMEO), await client("juliet", JULIET)
    # They are no contacts: each finds the other's devices and keys because those are open.
    for number in range(3):
        await say(romeo, "juliet@localhost", ["juliet@localhost"], f"Arise, fair sun {number}", "chat")
        assert (await hear(juliet, f"Arise, fair sun {number}")).bare_jid == "romeo@localhost"
        await say(juliet, "romeo@localhost", ["romeo@localhost"], f"Good night {number}", "chat")
        await hear(romeo, f"Good night {number}")
    await in_a_room(romeo, juliet)
    await asyncio.gather(romeo.disconnect(), juliet.disconnect())


asyncio.run(main())
