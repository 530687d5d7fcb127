// Two users of @xmpp/client chat, one over TCP with STARTTLS or direct TLS, the other over WebSocket, and each way
// survives a broken connection: the stream is resumed, and what was sent meanwhile arrives once.
//
// usage: chat.mjs XMPP XMPPS WEBSOCKET ROMEO_PASSWORD JULIET_PASSWORD
// The server's certificate is named by NODE_EXTRA_CA_CERTS.

import { client, xml } from "@xmpp/client";

const [xmpp, xmpps, websocket, romeoPassword, julietPassword] = process.argv.slice(2);
const PATIENCE = 20_000;

const within = (what, promise) =>
  Promise.race([
    promise,
    new Promise((_, reject) => setTimeout(() => reject(new Error(`${what}: nothing within ${PATIENCE} ms`)), PATIENCE).unref()),
  ]);

class Party {
  constructor(service, username, password) {
    this.name = `${username} on ${service.replace(/\d+$/, "")}`;
    this.xmpp = client({ service, domain: "localhost", username, password, resource: `js-${Math.random()}` });
    this.xmpp.timeout = PATIENCE;
    this.messages = [];
    this.waiting = [];
    this.xmpp.on("error", (error) => process.env.DEBUG && console.error(this.name, error));
    this.xmpp.on("stanza", (stanza) => {
      if (!stanza.is("message") || !stanza.getChild("body")) return;
      this.messages.push(stanza.getChildText("body"));
      this.waiting.splice(0).forEach((wake) => wake());
    });
  }

  async start() {
    // The promise of start() misses a server that answers before the client's own write has finished; the event does not.
    const online = new Promise((resolve) => this.xmpp.on("online", resolve));
    this.xmpp.start().catch((error) => process.env.DEBUG && console.error(this.name, error));
    const address = await within(`${this.name} signs in`, online);
    await this.xmpp.send(xml("presence"));
    this.jid = address.toString();
  }

  async hears(body) {
    const arrival = (async () => {
      while (!this.messages.includes(body)) await new Promise((wake) => this.waiting.push(wake));
    })();
    await within(`${this.name} hears "${body}"`, arrival);
    const count = this.messages.filter((message) => message === body).length;
    if (count !== 1) throw new Error(`${this.name} heard "${body}" ${count} times`);
  }

  say(to, body) {
    return this.xmpp.send(xml("message", { type: "chat", to: to.jid }, xml("body", {}, body)));
  }
}

async function conversation(service) {
  const romeo = new Party(service, "romeo", romeoPassword);
  const juliet = new Party(websocket, "juliet", julietPassword);
  await romeo.start();
  await juliet.start();
  await romeo.say(juliet, "How sweet is the sound?");
  await juliet.hears("How sweet is the sound?");
  await juliet.say(romeo, "Good night \u6f22\u5b57 & <all>");
  await romeo.hears("Good night \u6f22\u5b57 & <all>");

  const roster = await romeo.xmpp.iqCaller.get(xml("query", { xmlns: "jabber:iq:roster" }));
  if (!roster) throw new Error("no roster");
  await romeo.xmpp.iqCaller.request(xml("iq", { type: "get", to: "localhost" }, xml("ping", { xmlns: "urn:xmpp:ping" })));

  await resumes(romeo, juliet);
  await romeo.xmpp.stop();
  await juliet.xmpp.stop();
  console.log(`ok: ${romeo.name} and ${juliet.name}`);
}

async function resumes(party, other) {
  const resumed = new Promise((resolve) => party.xmpp.streamManagement.on("resumed", resolve));
  const before = party.xmpp.streamManagement.id;
  if (!before) throw new Error(`${party.name}: stream management is not enabled`);
  const wrapper = party.xmpp.socket;
  const socket = wrapper.socket ?? wrapper;
  socket.destroy ? socket.destroy() : socket.close();
  await other.say(party, "while you were away");
  await within(`${party.name} resumes`, resumed);
  await party.hears("while you were away");
}

for (const service of [`xmpp://${xmpp}`, `xmpps://${xmpps}`, websocket]) await conversation(service);
process.exit(0);
