// Several tabs and no shared worker: one leads, and another takes over when it goes or sleeps.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { KeyedInMemory } from '../state/keyed';
import { Session } from '../state/session.svelte';
import { FakeServer, type FakeSocket } from '../testing/fake-server';
import { Crew, type Surroundings } from './lead';

const ALICE = 'alice@localhost';
const BOB = 'bob@localhost';

type Channel = ReturnType<Surroundings['channel']>;
interface Hold {
  name: string;
  tab: Tab;
  reject: (reason: unknown) => void;
}
interface Tab {
  session: Session;
  crew: Crew;
  /** Hears nothing, and so answers nothing, as on a telephone that shows something else. */
  sleeps: boolean;
  isLookedAt: boolean;
  isGone: boolean;
  channel?: Channel;
}

let server: FakeServer;
let sockets: FakeSocket[];
let token: string | undefined;
let tabs: Tab[];
let held: Hold[];
let waiting: { name: string; tab: Tab; grant: () => void }[];

function free(hold: Hold): void {
  held = held.filter((one) => one !== hold);
  const next = waiting.findIndex((one) => one.name === hold.name && !one.tab.isGone);
  const [taken] = next < 0 ? [] : waiting.splice(next, 1);
  taken?.grant();
}

/** The locks of a browser as one of its tabs has them. */
function locksOf(tab: Tab): Surroundings['locks'] {
  const request = (name: string, first: unknown, second?: unknown): Promise<unknown> => {
    const { ifAvailable = false, steal = false } = (second ? first : {}) as LockOptions;
    const work = (second ?? first) as (lock: unknown) => unknown;
    return new Promise((resolve, reject) => {
      const grant = (): void => {
        const hold: Hold = { name, tab, reject };
        held.push(hold);
        void Promise.resolve(work({ name })).then((value) => {
          free(hold);
          resolve(value);
        });
      };
      queueMicrotask(() => {
        const holder = held.find((one) => one.name === name);
        if (holder && steal) {
          held = held.filter((one) => one !== holder);
          holder.reject(new Error('stolen'));
          grant();
        } else if (!holder) grant();
        else if (ifAvailable) resolve(work(null));
        else waiting.push({ name, tab, grant });
      });
    });
  };
  return { request } as Surroundings['locks'];
}

function open(): Tab {
  const tab = { sleeps: false, isLookedAt: true, isGone: false } as Tab;
  tabs.push(tab);
  tab.crew = new Crew({
    channel: () => {
      const channel: Channel = {
        onmessage: null,
        close: () => undefined,
        postMessage: (data: unknown) => {
          for (const other of tabs) {
            if (other !== tab && !tab.isGone) queueMicrotask(() => !other.isGone && !other.sleeps && other.channel?.onmessage?.({ data } as MessageEvent));
          }
        },
      };
      tab.channel = channel;
      return channel;
    },
    locks: locksOf(tab),
    connect: () => {
      const socket = server.connect() as FakeSocket;
      sockets.push(socket);
      return socket;
    },
    isLookedAt: () => tab.isLookedAt,
  });
  tab.session = new Session({
    create: () => tab.crew.open(),
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
  if (token === undefined) tab.session.signIn({ type: 'password', address: ALICE, password: 'secret' });
  else tab.session.resume();
  return tab;
}

function close(tab: Tab): void {
  tab.isGone = true;
  waiting = waiting.filter((one) => one.tab !== tab);
  for (const hold of held.filter((one) => one.tab === tab)) free(hold);
}

const settle = (ms = 80): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

async function threeTabs(): Promise<[Tab, Tab, Tab]> {
  const one = open();
  await settle();
  const two = open();
  await settle();
  const three = open();
  await settle();
  return [one, two, three];
}

beforeEach(() => {
  vi.useFakeTimers();
  token = undefined;
  sockets = [];
  tabs = [];
  held = [];
  waiting = [];
  server = new FakeServer();
  server.addPerson(ALICE, 'Alice');
  server.addPerson(BOB, 'Bob');
});

afterEach(() => vi.useRealTimers());

test('they share one connection and one truth', async () => {
  const all = await threeTabs();
  expect(sockets).toHaveLength(1);
  expect(all.map((tab) => tab.crew.leads)).toEqual([true, false, false]);
  for (const { session } of all) await session.timeline(BOB).openNewest();
  await all[1].session.send(BOB, { text: 'from two' });
  await settle();
  server.post(BOB, ALICE, 'to all');
  await settle();
  for (const { session } of all) {
    expect(session.link).toBe('online');
    expect(session.timeline(BOB).shown.messages.map((m) => m.text)).toEqual(['from two', 'to all']);
  }
});

test('the next one leads when the leader closes', async () => {
  const [one, two, three] = await threeTabs();
  close(one);
  await settle(2_000);
  expect([two.crew.leads, three.crew.leads]).toEqual([true, false]);
  expect([two.session.link, three.session.link]).toEqual(['online', 'online']);
  await three.session.timeline(BOB).openNewest();
  await three.session.send(BOB, { text: 'still here' });
  await settle();
  expect(three.session.timeline(BOB).shown.messages.map((m) => m.text)).toEqual(['still here']);
});

test('a tab that is looked at takes over from one that sleeps, which joins it when it wakes', async () => {
  const one = open();
  await settle();
  one.sleeps = true;
  one.isLookedAt = false;
  const two = open();
  await settle(3_000);
  expect(two.crew.leads).toBe(true);
  expect(two.session.link).toBe('online');
  one.sleeps = false;
  await settle(3_000);
  expect(one.crew.leads).toBe(false);
  expect(one.session.link).toBe('online');
  expect(sockets.filter((socket) => !socket.isClosed)).toHaveLength(1);
});
