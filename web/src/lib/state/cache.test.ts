// What an earlier visit kept is there without a connection, and gone after signing out.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FakeServer } from '../testing/fake-server';
import { KeyedInMemory, type Keyed } from './keyed';
import { Session, type AccountStore } from './session.svelte';

const ALICE = 'alice@localhost';
const BOB = 'bob@localhost';

let server: FakeServer;
let token: string | undefined;
let account: string | undefined;
let keeps: boolean;
let keyed: Keyed;
let isReachable: boolean;

const accounts: AccountStore = {
  keeps: () => keeps,
  get: () => (keeps ? account : undefined),
  set: (a) => {
    account = a;
  },
};

/** A visit of the page. */
function visit(): Session {
  return new Session({
    create: () => {
      if (!isReachable) throw new Error('no network');
      return server.connect();
    },
    tokens: {
      get: () => token,
      set: (t) => {
        token = t;
      },
    },
    client: { name: 'Test', device: 'device' },
    openKeyed: async () => keyed,
    accounts,
    random: () => 0,
  });
}

const settle = (ms = 50): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
const texts = (s: Session): string[] => s.timeline(BOB).shown.messages.map((m) => m.text);

/** Somebody signs in, reads, and closes the page. */
async function firstVisit(): Promise<Session> {
  const s = visit();
  s.signIn({ type: 'password', address: ALICE, password: 'secret' });
  await settle();
  await s.timeline(BOB).openNewest();
  await settle();
  await s.keepNow();
  return s;
}

beforeEach(() => {
  vi.useFakeTimers();
  token = account = undefined;
  keeps = isReachable = true;
  keyed = new KeyedInMemory();
  server = new FakeServer();
  server.addPerson(ALICE, 'Alice');
  server.addPerson(BOB, 'Bob');
  server.post(BOB, ALICE, 'hello');
});

afterEach(() => vi.useRealTimers());

describe('without a connection', () => {
  test('what was read is there', async () => {
    await firstVisit();
    isReachable = false;
    const s = visit();
    expect(s.resume()).toBe(true);
    await settle();
    expect(s.ready).toBe(true);
    expect(s.link).toBe('offline');
    expect(s.me).toBe(ALICE);
    expect(s.conversations.list.map((c) => c.address)).toContain(BOB);
    const timeline = s.timeline(BOB);
    await timeline.openNewest();
    await settle();
    expect(texts(s)).toEqual(['hello']);
    expect(timeline.isKept).toBe(true);
    // It asks for nothing more, and is not taken for all there is.
    await timeline.loadBefore();
    expect(timeline.live).toBeUndefined();
  });

  test('what is written waits, and goes when there is one', async () => {
    await firstVisit();
    isReachable = false;
    const s = visit();
    s.resume();
    await settle();
    await s.send(BOB, { text: 'later' });
    isReachable = true;
    await settle(60_000);
    expect(s.link).toBe('online');
    await s.timeline(BOB).openNewest();
    await settle();
    expect(texts(s)).toEqual(['hello', 'later']);
  });

  test('the server has the last word', async () => {
    await firstVisit();
    server.post(BOB, ALICE, 'since then');
    const s = visit();
    s.resume();
    await settle();
    expect(s.link).toBe('online');
    await s.timeline(BOB).openNewest();
    await settle();
    expect(texts(s)).toEqual(['hello', 'since then']);
    expect(s.timeline(BOB).isKept).toBe(false);
  });
});

describe('what is kept', () => {
  test('is kept by itself, and only when something has changed', async () => {
    const s = await firstVisit();
    const put = vi.spyOn(keyed, 'put');
    await settle(20_000);
    expect(put.mock.calls.filter(([key]) => key.startsWith('cache:'))).toEqual([]);
    server.post(BOB, ALICE, 'news');
    await settle(6_000);
    expect(put.mock.calls.map(([key]) => key)).toEqual(expect.arrayContaining(['cache:state', `cache:messages:${BOB}`]));
    s.client.nudge();
  });

  test('is gone after signing out', async () => {
    const s = await firstVisit();
    await s.signOut();
    expect(await keyed.all('')).toEqual([]);
    expect(account).toBeUndefined();
    await settle(20_000);
    expect(await keyed.all('')).toEqual([]);
    expect(visit().resume()).toBe(false);
  });

  test('is gone when the token has ended meanwhile', async () => {
    await firstVisit();
    token = 'another';
    const s = visit();
    s.resume();
    await settle();
    expect(s.link).toBe('ended');
    expect(s.ready).toBe(false);
    expect(await keyed.all('')).toEqual([]);
  });

  test('is nothing on a device that is not to be remembered', async () => {
    keeps = false;
    await firstVisit();
    await settle(20_000);
    expect(await keyed.all('cache:')).toEqual([]);
  });

  test('is the newest of each conversation', async () => {
    for (let i = 0; i < 100; i += 1) server.post(BOB, ALICE, `${i}`);
    const s = await firstVisit();
    await s.timeline(BOB).loadBefore();
    await settle();
    await s.keepNow();
    const [[, messages]] = (await keyed.all<{ text: string }[]>('cache:messages:')) as [[string, { text: string }[]]];
    expect(messages).toHaveLength(60);
    expect(messages.at(-1)?.text).toBe('99');
  });

  test('in a form that is not known is not read', async () => {
    await firstVisit();
    await keyed.put('cache:state', { form: 99, state: {} });
    isReachable = false;
    const s = visit();
    s.resume();
    await settle();
    expect(s.ready).toBe(false);
  });
});
