// Signing in, catching up and sending over a connection that breaks, without a page.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FakeServer } from '../testing/fake-server';
import { KeyedInMemory, type Keyed } from './keyed';
import { Session } from './session.svelte';

const ALICE = 'alice@localhost';
const BOB = 'bob@localhost';
const ROOM = 'general@rooms.localhost';

let server: FakeServer;
let token: string | undefined;

function session(keyed: Keyed = new KeyedInMemory()): Session {
  return new Session({
    create: () => server.connect(),
    tokens: {
      get: () => token,
      set: (t) => {
        token = t;
      },
    },
    client: { name: 'Test', device: 'device' },
    openKeyed: async () => keyed,
    random: () => 0,
  });
}

async function settle(ms = 50): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

async function signedIn(keyed?: Keyed): Promise<Session> {
  const s = session(keyed);
  s.signIn({ type: 'password', address: ALICE, password: 'secret' });
  await settle();
  return s;
}

function texts(s: Session, conversation = BOB): string[] {
  return s.timeline(conversation).shown.messages.map((m) => m.text);
}

beforeEach(() => {
  vi.useFakeTimers();
  token = undefined;
  server = new FakeServer();
  server.addPerson(ALICE, 'Alice');
  server.addPerson(BOB, 'Bob');
  server.addRoom(ROOM, 'General', [BOB, ALICE]);
});

afterEach(() => vi.useRealTimers());

describe('signing in', () => {
  test('opens the state and keeps a token', async () => {
    server.post(BOB, ALICE, 'hello');
    const s = await signedIn();
    expect(s.link).toBe('online');
    expect(s.ready).toBe(true);
    expect(token).toBe('token-alice@localhost');
    expect(s.conversations.get(BOB)?.unread).toBe(1);
    expect(s.conversations.get(ROOM)?.name).toBe('General');
  });

  test('with a wrong password ends and does not try again', async () => {
    const s = session();
    s.signIn({ type: 'password', address: ALICE, password: 'wrong' });
    await settle(60_000);
    expect(s.link).toBe('ended');
    expect(s.ended).toMatchObject({ condition: 'unauthorized' });
    expect(server.calls.filter((c) => c.method === 'session.sign_in')).toHaveLength(1);
  });

  test('comes back by the token, and asks only for what was missed', async () => {
    const s = await signedIn();
    await s.timeline(BOB).openNewest();
    server.cut();
    expect(s.link).toBe('offline');
    server.post(BOB, ALICE, 'while away');
    await settle(2_000);
    expect(s.link).toBe('online');
    const methods = server.calls.map((c) => c.method);
    expect(methods.filter((m) => m === 'sync.open')).toHaveLength(1);
    expect(methods.filter((m) => m === 'sync.changes')).toHaveLength(1);
    expect(s.conversations.get(BOB)?.unread).toBe(1);
  });

  test('asks as often as there is more', async () => {
    const s = await signedIn();
    await s.timeline(ROOM).openNewest();
    server.cut();
    for (let i = 0; i < 250; i++) server.post(BOB, ROOM, `m${i}`);
    await settle(2_000);
    expect(server.calls.filter((c) => c.method === 'sync.changes')).toHaveLength(3);
    const shown = texts(s, ROOM);
    expect(shown).toHaveLength(250);
    expect(shown[0]).toBe('m0');
    expect(shown[249]).toBe('m249');
    expect(s.conversations.get(ROOM)?.unread).toBe(100);
  });

  test('after the server has ended the session nothing is known any more', async () => {
    const s = await signedIn();
    server.emit(ALICE, { type: 'ended', reason: 'revoked' });
    await settle(60_000);
    expect(s.link).toBe('ended');
    expect(s.ended).toBe('revoked');
    expect(token).toBeUndefined();
    expect(s.conversations.list).toHaveLength(0);
  });

  test('waits the longer the longer it lasts, and never longer than half a minute', async () => {
    const s = await signedIn();
    server.isDown = true;
    const begin = Date.now();
    server.cut();
    const waits: number[] = [];
    for (let i = 0; i < 60; i++) {
      const wait = s.client.retryAt - Date.now();
      // Whoever waits is back at most a quarter of that time later than the server.
      expect(wait).toBeLessThanOrEqual(Math.max(300, (Date.now() - begin) / 4));
      waits.push(wait);
      await settle(wait);
    }
    expect(waits.slice(0, 3)).toEqual([150, 150, 150]);
    expect(waits).toEqual([...waits].sort((a, b) => a - b));
    expect(Math.max(...waits)).toBe(15_000);
    server.isDown = false;
    await settle(31_000);
    expect(s.link).toBe('online');
  });

  test('a connection that has gone silent is taken for lost', async () => {
    const s = await signedIn();
    server.losesAnswer = (method) => method === 'session.ping';
    await settle(40_000);
    server.losesAnswer = () => false;
    await settle(5_000);
    expect(s.link).toBe('online');
    expect(server.calls.filter((c) => c.method === 'session.sign_in').length).toBeGreaterThan(1);
  });
});

describe('messages', () => {
  test('told twice are there once, and a change replaces', async () => {
    const s = await signedIn();
    await s.timeline(BOB).openNewest();
    const message = server.post(BOB, ALICE, 'one');
    const again = { ...message, conversation: BOB };
    server.emit(ALICE, { type: 'message', message: again });
    server.tick();
    server.emit(ALICE, { type: 'message', message: { ...again, text: 'one, changed' } });
    await settle();
    expect(texts(s)).toEqual(['one, changed']);
    expect(s.conversations.get(BOB)?.unread).toBe(1);
  });

  test('an older form does not replace a newer one', async () => {
    const s = await signedIn();
    await s.timeline(BOB).openNewest();
    const message = { ...server.post(BOB, ALICE, 'new'), conversation: BOB };
    const old = server.now - 5;
    const socket = [...server.sockets][0];
    socket?.deliver({
      jsonrpc: '2.0',
      method: 'event',
      params: { type: 'message', version: old, message: { ...message, text: 'old' } },
    });
    expect(texts(s)).toEqual(['new']);
  });

  test('that come while the history is being read are neither lost nor doubled', async () => {
    const s = await signedIn();
    server.post(BOB, ALICE, 'one');
    const opening = s.timeline(BOB).openNewest();
    server.post(BOB, ALICE, 'two');
    await settle();
    await opening;
    server.post(BOB, ALICE, 'three');
    expect(texts(s)).toEqual(['one', 'two', 'three']);
  });

  test('reading tells the server, and the other one', async () => {
    server.post(BOB, ALICE, 'hello');
    const s = await signedIn();
    const last = s.conversations.get(BOB)?.last?.position ?? 0;
    void s.read(BOB, last);
    expect(s.conversations.get(BOB)?.unread).toBe(0);
    await settle();
    expect(server.of(ALICE).seen.get(BOB)).toBe(last);
    expect(s.conversations.get(BOB)?.seen).toBe(last);
  });

  test('a reaction is shown at once, and goes back when it is refused', async () => {
    const s = await signedIn();
    await s.timeline(BOB).openNewest();
    server.post(BOB, ALICE, 'hello');
    const [message] = s.timeline(BOB).shown.messages;
    if (!message) throw new Error('no message');
    await Promise.all([s.react(message, '👍'), settle()]);
    expect(s.fresh(message).reactions).toEqual([{ emoji: '👍', by: [ALICE] }]);
    server.refuses = (method) => (method === 'message.react' ? 'forbidden' : undefined);
    const refused = s.react(message, '🎉').catch((error: unknown) => error);
    expect(s.fresh(message).reactions).toHaveLength(2);
    await settle();
    expect(await refused).toMatchObject({ condition: 'forbidden' });
    expect(s.fresh(message).reactions).toEqual([{ emoji: '👍', by: [ALICE] }]);
  });

  test('an own poll is ended at once, and is open again when that is refused', async () => {
    const s = await signedIn();
    await s.timeline(BOB).openNewest();
    const poll = { question: 'Tea?', options: ['Yes', 'No'], multiple: false };
    server.post(ALICE, BOB, '', { poll });
    const [message] = s.timeline(BOB).shown.messages;
    if (!message) throw new Error('no message');
    expect(s.canClosePolls).toBe(true);
    server.refuses = (method) => (method === 'message.close_poll' ? 'forbidden' : undefined);
    const refused = s.closePoll(message).catch((error: unknown) => error);
    expect(s.fresh(message).poll?.closed).toBe(true);
    await settle();
    expect(await refused).toMatchObject({ condition: 'forbidden' });
    expect(s.fresh(message).poll).toEqual(poll);
    server.refuses = () => undefined;
    await Promise.all([s.closePoll(message), settle()]);
    expect(s.fresh(message).poll).toEqual({ ...poll, closed: true });
  });

  test('of a conversation that is not in the list bring it there', async () => {
    const s = await signedIn();
    expect(s.conversations.get(BOB)).toBeUndefined();
    server.post(BOB, ALICE, 'hello');
    await settle();
    expect(s.conversations.get(BOB)?.unread).toBe(1);
  });
});

describe('the outbox', () => {
  test('sends in order', async () => {
    const s = await signedIn();
    for (let i = 0; i < 5; i++) void s.send(ROOM, { text: `m${i}` });
    expect(s.outbox.in(ROOM)).toHaveLength(5);
    await settle();
    expect(s.outbox.items).toHaveLength(0);
    expect(server.places.get(ROOM)?.messages.map((m) => m.text)).toEqual(['m0', 'm1', 'm2', 'm3', 'm4']);
  });

  test('waits without a connection, survives a reload, and sends once', async () => {
    const keyed = new KeyedInMemory();
    const s = await signedIn(keyed);
    server.isDown = true;
    server.cut();
    void s.send(ROOM, { text: 'kept' });
    await settle(2_000);
    expect(s.outbox.items.map((i) => i.state)).toEqual(['waiting']);
    s.outbox.stop();
    server.isDown = false;
    const later = session(keyed);
    later.resume();
    await settle();
    expect(later.outbox.items).toHaveLength(0);
    expect(server.places.get(ROOM)?.messages.map((m) => m.text)).toEqual(['kept']);
  });

  test('an answer that is lost makes no second message', async () => {
    const s = await signedIn();
    await s.timeline(ROOM).openNewest();
    server.losesAnswer = (method) => {
      if (method !== 'message.send') return false;
      // The event of it is lost as well.
      queueMicrotask(() => server.cut());
      return true;
    };
    void s.send(ROOM, { text: 'once' });
    await settle(10);
    server.losesAnswer = () => false;
    await settle(5_000);
    expect(s.link).toBe('online');
    expect(s.outbox.items).toHaveLength(0);
    expect(texts(s, ROOM)).toEqual(['once']);
    expect(server.places.get(ROOM)?.messages).toHaveLength(1);
  });

  test('what is refused stays and says why, until it is tried again or thrown away', async () => {
    const s = await signedIn();
    server.refuses = (method) => (method === 'message.send' ? 'forbidden' : undefined);
    void s.send(ROOM, { text: 'no' });
    await settle();
    const [item] = s.outbox.items;
    expect(item).toMatchObject({ state: 'failed', reason: 'Refused: forbidden.' });
    server.refuses = () => undefined;
    s.outbox.retry(item?.params.client_id ?? '');
    await settle();
    expect(s.outbox.items).toHaveLength(0);
    expect(server.places.get(ROOM)?.messages).toHaveLength(1);
  });

  test('a server that is busy is asked again', async () => {
    const s = await signedIn();
    let refusals = 2;
    server.refuses = (method) => (method === 'message.send' && refusals-- > 0 ? 'unavailable' : undefined);
    void s.send(ROOM, { text: 'a' });
    void s.send(ROOM, { text: 'b' });
    await settle(10_000);
    expect(server.places.get(ROOM)?.messages.map((m) => m.text)).toEqual(['a', 'b']);
  });
});

describe('drafts', () => {
  test('reach the account soon, and are gone when sent', async () => {
    const s = await signedIn();
    s.drafts.set(ROOM, 'half a', {});
    s.drafts.set(ROOM, 'half a sentence', {});
    await settle(1_000);
    expect(server.of(ALICE).drafts.get(ROOM)?.text).toBe('half a sentence');
    expect(server.calls.filter((c) => c.method === 'conversation.draft')).toHaveLength(1);
    void s.send(ROOM, { text: 'half a sentence' });
    await settle(1_000);
    expect(server.of(ALICE).drafts.has(ROOM)).toBe(false);
    expect(s.drafts.get(ROOM)).toBeUndefined();
  });

  test('written without a connection are told later', async () => {
    const s = await signedIn();
    server.isDown = true;
    server.cut();
    s.drafts.set(ROOM, 'offline', {});
    await settle(2_000);
    server.isDown = false;
    await settle(40_000);
    expect(server.of(ALICE).drafts.get(ROOM)?.text).toBe('offline');
  });
});

test('whoever writes is shown until the message comes, or for a while', async () => {
  const s = await signedIn();
  server.emit(ALICE, { type: 'typing', conversation: ROOM, address: BOB, state: 'composing' });
  expect(s.typing.in(ROOM)).toEqual([BOB]);
  server.post(BOB, ROOM, 'done');
  expect(s.typing.in(ROOM)).toEqual([]);
  server.emit(ALICE, { type: 'typing', conversation: ROOM, address: BOB, state: 'composing' });
  await settle(13_000);
  expect(s.typing.in(ROOM)).toEqual([]);
});

test('people are asked for together', async () => {
  const s = await signedIn();
  s.people.want(BOB);
  s.people.want('nobody@localhost');
  s.people.want(BOB);
  await settle(100);
  expect(server.calls.filter((c) => c.method === 'people.get')).toHaveLength(1);
  expect(s.people.person(BOB)?.name).toBe('Bob');
});

test('a room to which people have come is asked for anew, once', async () => {
  const s = await signedIn();
  await s.renewRoom(ROOM);
  expect(server.calls.filter((c) => c.method === 'room.get')).toHaveLength(0);
  server.addPerson('carol@localhost', 'Carol');
  server.place(ALICE, ROOM).members.push('carol@localhost');
  server.emit(ALICE, { type: 'member', room: ROOM, member: { address: 'carol@localhost', name: 'Carol', role: 'member', online: true } });
  expect(s.conversations.get(ROOM)?.room?.member_count).toBe(2);
  void s.renewRoom(ROOM);
  void s.renewRoom(ROOM);
  await settle();
  expect(s.conversations.get(ROOM)?.room?.member_count).toBe(3);
  expect(server.calls.filter((c) => c.method === 'room.get')).toHaveLength(1);
});
