// Several tabs, one connection: against a server in memory, and frame by frame.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { KeyedInMemory } from '../state/keyed';
import { Session } from '../state/session.svelte';
import { FakeServer, type FakeSocket } from '../testing/fake-server';
import { Hub } from './hub';
import type { WebSocketLike } from './socket';

const ALICE = 'alice@localhost';
const BOB = 'bob@localhost';

let server: FakeServer;
let hub: Hub;
let sockets: FakeSocket[];
let token: string | undefined;
let isReachable: boolean;

/** A WebSocket of a tab that goes through the hub. */
function shared(): WebSocketLike {
  const socket: WebSocketLike = { onopen: null, onmessage: null, onclose: null, onerror: null, send: () => undefined, close: () => undefined };
  let isClosed = false;
  // Ports answer later, too.
  const later = (work: () => void): void => queueMicrotask(() => void (!isClosed && work()));
  const side = hub.join({
    open: () => later(() => socket.onopen?.(undefined as never)),
    frame: (data) => later(() => socket.onmessage?.({ data })),
    close: () => later(() => socket.onclose?.(undefined as never)),
  });
  socket.send = (data) => queueMicrotask(() => side.frame(data));
  socket.close = () => {
    isClosed = true;
    side.close();
  };
  return socket;
}

function tab(): Session {
  return new Session({
    create: shared,
    tokens: {
      get: () => token,
      set: (t) => {
        token = t;
      },
    },
    client: { name: 'Test', device: 'device' },
    openKeyed: async () => new KeyedInMemory(),
    random: () => 0,
  });
}

const settle = (ms = 80): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
const texts = (s: Session): string[] => s.timeline(BOB).shown.messages.map((m) => m.text);

async function twoTabs(): Promise<[Session, Session]> {
  const one = tab();
  one.signIn({ type: 'password', address: ALICE, password: 'secret' });
  await settle();
  const two = tab();
  two.resume();
  await settle();
  for (const s of [one, two]) await s.timeline(BOB).openNewest();
  await settle();
  return [one, two];
}

beforeEach(() => {
  vi.useFakeTimers();
  token = undefined;
  isReachable = true;
  sockets = [];
  server = new FakeServer();
  server.addPerson(ALICE, 'Alice');
  server.addPerson(BOB, 'Bob');
  server.post(BOB, ALICE, 'hello');
  hub = new Hub(() => {
    if (!isReachable) throw new Error('no network');
    const socket = server.connect() as FakeSocket;
    sockets.push(socket);
    return socket;
  });
});

afterEach(() => vi.useRealTimers());

describe('two tabs', () => {
  test('share one connection and one truth', async () => {
    const [one, two] = await twoTabs();
    expect(sockets).toHaveLength(1);
    expect([one.link, two.link]).toEqual(['online', 'online']);
    expect(two.me).toBe(ALICE);
    server.post(BOB, ALICE, 'to both');
    await settle();
    await one.send(BOB, { text: 'from one' });
    await settle();
    await two.send(BOB, { text: 'from two' });
    await settle();
    expect(texts(one)).toEqual(['hello', 'to both', 'from one', 'from two']);
    expect(texts(two)).toEqual(texts(one));
  });

  test('that start at once still share it', async () => {
    const first = tab();
    first.signIn({ type: 'password', address: ALICE, password: 'secret' });
    await settle();
    first.client.call('session.ping', {}).catch(() => undefined);
    sockets[0]?.close();
    await settle(5_000);
    sockets.length = 0;
    const tabs = [tab(), tab(), tab()];
    for (const s of tabs) s.resume();
    await settle();
    expect(tabs.map((s) => s.link)).toEqual(['online', 'online', 'online']);
    expect(sockets.length).toBeLessThanOrEqual(1);
    expect(hub.connections).toBe(1);
  });

  test('hear what the other changes', async () => {
    const [one, two] = await twoTabs();
    await one.preferences.change({ theme: 'dark' });
    await one.configure(BOB, { favourite: true });
    await settle();
    expect(two.preferences.values.theme).toBe('dark');
    expect(two.conversations.get(BOB)?.settings.favourite).toBe(true);
    const message = one.timeline(BOB).shown.messages[0];
    if (!message) throw new Error('no message');
    await one.save(message, true);
    await settle();
    expect(two.timeline(BOB).find(message.id)?.saved).toBe(true);
    await one.save(message, false);
    await settle();
    expect(two.timeline(BOB).find(message.id)?.saved).toBeUndefined();
  });

  test('are signed out together', async () => {
    const [one, two] = await twoTabs();
    await one.signOut();
    await settle();
    expect([one.link, two.link]).toEqual(['ended', 'ended']);
    expect(two.ready).toBe(false);
    expect(token).toBeUndefined();
    expect(hub.connections).toBe(0);
    expect(sockets.every((socket) => socket.isClosed)).toBe(true);
  });

  test('come back together after an outage', async () => {
    const [one, two] = await twoTabs();
    isReachable = false;
    sockets[0]?.close();
    sockets[0]?.onclose?.(undefined as never);
    await settle(3_000);
    expect([one.link, two.link]).not.toContain('online');
    server.post(BOB, ALICE, 'meanwhile');
    isReachable = true;
    await settle(60_000);
    expect([one.link, two.link]).toEqual(['online', 'online']);
    expect(hub.connections).toBe(1);
    expect(texts(one)).toEqual(['hello', 'meanwhile']);
    expect(texts(two)).toEqual(['hello', 'meanwhile']);
  });

  test('of other accounts have connections of their own', async () => {
    await twoTabs();
    token = undefined;
    const other = tab();
    other.signIn({ type: 'password', address: BOB, password: 'secret' });
    await settle();
    expect(other.me).toBe(BOB);
    expect(hub.connections).toBe(2);
  });
});

describe('frame by frame', () => {
  let sent: Record<string, unknown>[];
  let ws: WebSocketLike & { isClosed?: boolean };
  let frames: Record<string, unknown>[][];
  let closed: number[];

  const join = (): ReturnType<Hub['join']> => {
    const mine: Record<string, unknown>[] = [];
    const index = frames.push(mine) - 1;
    return hub.join({ open: () => undefined, frame: (data) => mine.push(JSON.parse(data)), close: () => closed.push(index) });
  };
  const ask = (side: ReturnType<Hub['join']>, id: number, method: string, params: object = {}): void => side.frame(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
  const answer = (frame: object): void => ws.onmessage?.({ data: JSON.stringify({ jsonrpc: '2.0', ...frame }) });
  const signIn = (side: ReturnType<Hub['join']>, id = 1, t = 'T'): void => ask(side, id, 'session.sign_in', { credentials: { type: 'token', token: t } });

  beforeEach(() => {
    sent = [];
    frames = [];
    closed = [];
    hub = new Hub(() => {
      ws = { onopen: null, onmessage: null, onclose: null, onerror: null, send: (data) => sent.push(JSON.parse(data)), close: () => void (ws.isClosed = true) };
      return ws;
    });
  });

  test('requests and answers find their way by id', () => {
    const one = join();
    signIn(one, 7);
    expect(sent).toEqual([]);
    ws.onopen?.(undefined as never);
    expect(sent).toMatchObject([{ id: 1, method: 'session.sign_in' }]);
    const two = join();
    signIn(two, 7);
    answer({ id: 1, result: { account: { address: 'a' }, token: 'N' } });
    expect(frames).toMatchObject([[{ id: 7, result: { token: 'N' } }], [{ id: 7, result: { account: { address: 'a' } } }]]);
    expect(frames[1]?.[0]?.result).not.toHaveProperty('token');
    ask(one, 8, 'people.search', { text: 'x' });
    ask(two, 8, 'people.search', { text: 'y' });
    expect(sent.slice(1)).toMatchObject([{ id: 2, params: { text: 'x' } }, { id: 3, params: { text: 'y' } }]);
    answer({ id: 3, result: { people: ['y'] } });
    answer({ id: 2, error: { code: -1, message: 'no' } });
    answer({ id: 99, result: {} });
    expect(frames[0]?.[1]).toMatchObject({ id: 8, error: { message: 'no' } });
    expect(frames[1]?.[1]).toMatchObject({ id: 8, result: { people: ['y'] } });
    // The new token leads to the same connection.
    signIn(join(), 1, 'N');
    expect(hub.connections).toBe(1);
  });

  test('events come only behind the state, the end always', () => {
    const one = join();
    const two = join();
    signIn(one);
    signIn(two);
    ws.onopen?.(undefined as never);
    answer({ id: 1, result: {} });
    ask(one, 2, 'sync.open');
    answer({ method: 'event', params: { type: 'typing' } });
    expect(frames.map((f) => f.length)).toEqual([2, 1]);
    answer({ method: 'event', params: { type: 'ended', reason: 'revoked' } });
    expect(frames.map((f) => f.length)).toEqual([3, 2]);
  });

  test('somebody looks as long as somebody looks at one of them', () => {
    const one = join();
    const two = join();
    signIn(one);
    signIn(two);
    ws.onopen?.(undefined as never);
    answer({ id: 1, result: {} });
    sent.length = 0;
    ask(one, 2, 'session.active', { active: false });
    expect(sent).toEqual([]);
    expect(frames[0]?.at(-1)).toMatchObject({ id: 2, result: {} });
    ask(two, 2, 'session.active', { active: false });
    expect(sent).toMatchObject([{ method: 'session.active', params: { active: false } }]);
    // A new tab is looked at.
    const three = join();
    signIn(three);
    expect(sent.at(-1)).toMatchObject({ params: { active: true } });
    three.close();
    expect(sent.at(-1)).toMatchObject({ params: { active: false } });
  });

  test('the last tab closes the connection', () => {
    const one = join();
    const two = join();
    signIn(one);
    signIn(two);
    one.close();
    one.close();
    expect(ws.isClosed).toBeUndefined();
    two.close();
    expect(ws.isClosed).toBe(true);
    expect(hub.connections).toBe(0);
  });

  test('a refusal is told to all who wait for it', () => {
    const one = join();
    const two = join();
    signIn(one, 1);
    signIn(two, 5);
    ws.onopen?.(undefined as never);
    answer({ id: 1, error: { code: -32001, message: 'no', data: { condition: 'unauthorized' } } });
    expect(frames[1]).toMatchObject([{ id: 5, error: { data: { condition: 'unauthorized' } } }]);
    signIn(join());
    expect(sent).toHaveLength(1);
    expect(hub.connections).toBe(1);
  });

  test('a lost connection is lost to all, and what comes too early is turned away', () => {
    const one = join();
    const two = join();
    signIn(one);
    signIn(two);
    ws.onclose?.(undefined as never);
    expect(closed).toEqual([0, 1]);
    ask(one, 3, 'people.search');
    expect(closed).toEqual([0, 1, 0]);
  });
});
