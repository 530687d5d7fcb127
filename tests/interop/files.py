"""One slixmpp client uploads a file and sends its link, another gets the link and reads the file (XEP-0363, XEP-0066).
Arguments: host, port, certificate, Romeo's password, Juliet's password."""

import asyncio
import ssl
import sys

import aiohttp
from slixmpp import ClientXMPP

CONTENT = bytes(range(256)) * 4096


def client(user, password, certificate):
    xmpp = ClientXMPP(f"{user}@localhost/files", password)
    xmpp.ca_certs = certificate
    for plugin in ("xep_0030", "xep_0066", "xep_0363"):
        xmpp.register_plugin(plugin)
    return xmpp


async def main(host, port, certificate, romeos, juliets):
    trusted = ssl.create_default_context(cafile=certificate)
    romeo, juliet = client("romeo", romeos, certificate), client("juliet", juliets, certificate)
    received = asyncio.get_running_loop().create_future()

    def message(stanza):
        if not received.done():
            received.set_result(stanza["oob"]["url"])

    juliet.add_event_handler("message", message)
    for xmpp in (romeo, juliet):
        ready = asyncio.get_running_loop().create_future()
        xmpp.add_event_handler("session_start", lambda _, ready=ready: ready.set_result(None))
        xmpp.connect(host, int(port))
        await ready
        xmpp.send_presence()
    path = "très cool.bin"
    with open(path, "wb") as file:
        file.write(CONTENT)
    url = await romeo["xep_0363"].upload_file(path, content_type="application/zip", timeout=30)
    print("uploaded to", url)
    stanza = romeo.make_message(mto="juliet@localhost", mbody=url, mtype="chat")
    stanza["oob"]["url"] = url
    stanza.send()
    url = await asyncio.wait_for(received, 30)
    async with aiohttp.ClientSession() as session, session.get(url, ssl=trusted) as answer:
        assert answer.status == 200, answer
        assert await answer.read() == CONTENT
        print("downloaded", answer.headers["Content-Disposition"])
    for xmpp in (romeo, juliet):
        await xmpp.disconnect()


asyncio.run(main(*sys.argv[1:]))
