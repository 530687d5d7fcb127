// Stretches of history: paging, gaps, joining, and looking at the messages around a place.
import { beforeEach, describe, expect, test } from 'vitest';
import type { Call } from '../api/socket';
import type { Message } from '../api/types';
import { Timeline } from './timeline.svelte';

const HERE = 'room@rooms.localhost';
let all: Message[];
let asked: object[];
let version: number;

function message(position: number, text = `m${position}`): Message {
  return {
    id: `id${position}`,
    conversation: HERE,
    position,
    from: { address: 'bob@localhost', name: 'Bob' },
    kind: 'message',
    text,
  };
}

const call = (async (_method: string, params: { before?: number; after?: number; around?: number; limit: number }) => {
  asked.push(params);
  const { before, after, around, limit } = params;
  let from = Math.max(0, all.length - limit);
  let to = all.length;
  const index = (position: number) => {
    const found = all.findIndex((m) => m.position >= position);
    return found < 0 ? all.length : found;
  };
  if (before !== undefined) {
    to = index(before);
    from = Math.max(0, to - limit);
  } else if (after !== undefined) {
    from = index(after + 1);
    to = Math.min(all.length, from + limit);
  } else if (around !== undefined) {
    from = Math.max(0, index(around) - limit / 2);
    to = Math.min(all.length, from + limit);
  }
  return { messages: all.slice(from, to), more_before: from > 0, more_after: to < all.length };
}) as unknown as Call;

function positions(timeline: Timeline): number[] {
  return timeline.shown.messages.map((m) => m.position);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

let timeline: Timeline;

beforeEach(() => {
  all = range(1, 100).map((p) => message(p));
  asked = [];
  version = 100;
  timeline = new Timeline(HERE, call, () => version, 10);
});

describe('paging', () => {
  test('begins with the newest', async () => {
    await timeline.openNewest();
    expect(positions(timeline)).toEqual(range(91, 100));
    expect(timeline.shown).toMatchObject({ moreBefore: true, moreAfter: false });
  });

  test('goes back to the first', async () => {
    await timeline.openNewest();
    for (let i = 0; i < 12; i++) await timeline.loadBefore();
    expect(positions(timeline)).toEqual(range(1, 100));
    expect(timeline.shown.moreBefore).toBe(false);
    expect(asked).toHaveLength(10);
  });

  test('an empty page ends it', async () => {
    all = all.slice(0, 10);
    await timeline.openNewest();
    timeline.integrate({ messages: [], more_before: false, more_after: false }, version, { before: 1 });
    expect(positions(timeline)).toEqual(range(1, 10));
    expect(timeline.shown).toMatchObject({ moreBefore: false, moreAfter: false });
  });

  test('around a place, and from there forward until it meets the newest', async () => {
    await timeline.openNewest();
    await timeline.openAround(50);
    expect(positions(timeline)).toEqual(range(45, 54));
    expect(timeline.stretches).toHaveLength(2);
    for (let i = 0; i < 4; i++) await timeline.loadAfter();
    expect(timeline.stretches).toHaveLength(1);
    expect(positions(timeline)).toEqual(range(45, 100));
    expect(timeline.shown.moreAfter).toBe(false);
  });

  test('back to the newest leaves the other stretch alone', async () => {
    await timeline.openAround(50);
    await timeline.openNewest();
    expect(positions(timeline)).toEqual(range(91, 100));
    await timeline.openAround(50);
    expect(positions(timeline)).toEqual(range(45, 54));
    expect(asked).toHaveLength(2);
  });

  test('around a place where no message is shows its neighbours', async () => {
    all = all.filter((m) => m.position !== 50);
    await timeline.openAround(50);
    expect(positions(timeline)).toContain(49);
    expect(positions(timeline)).toContain(51);
  });
});

describe('events', () => {
  test('a new message is appended to the newest stretch only', async () => {
    await timeline.openAround(50);
    timeline.receive(message(101), 101);
    expect(positions(timeline)).toEqual(range(45, 54));
    await timeline.openNewest();
    timeline.receive(message(102), 102);
    expect(positions(timeline).at(-1)).toBe(102);
  });

  test('an empty conversation takes its first message', async () => {
    all = [];
    await timeline.openNewest();
    timeline.receive(message(5), 101);
    timeline.receive(message(4), 102);
    expect(positions(timeline)).toEqual([4, 5]);
  });

  test('a change in a gap is not placed', async () => {
    await timeline.openNewest();
    timeline.receive(message(20, 'changed'), 101);
    expect(positions(timeline)).toEqual(range(91, 100));
    await timeline.openAround(20);
    expect(timeline.find('id20')?.text).toBe('m20');
  });

  test('a page that is older than an event does not undo it', async () => {
    await timeline.openNewest();
    timeline.receive(message(95, 'changed'), 120);
    timeline.integrate({ messages: all.slice(90), more_before: true, more_after: false }, 110);
    expect(timeline.find('id95')?.text).toBe('changed');
    timeline.integrate({ messages: all.slice(90), more_before: true, more_after: false }, 130);
    expect(timeline.find('id95')?.text).toBe('m95');
  });

  test('after forgetting, an answer that was on its way is not taken', async () => {
    const opening = timeline.openNewest();
    timeline.clear();
    await opening;
    expect(timeline.shown.messages).toHaveLength(0);
    await timeline.openNewest();
    expect(positions(timeline)).toEqual(range(91, 100));
  });

  test('whatever the order, the messages stand in order and once', async () => {
    await timeline.openNewest();
    for (const p of [105, 103, 104, 103, 101, 105, 102]) timeline.receive(message(p), p);
    expect(positions(timeline)).toEqual(range(91, 105));
  });
});
