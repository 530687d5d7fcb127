// Moving conversations within a section keeps the order that is shown.
import { expect, test } from 'vitest';
import type { Conversation } from '../api/types';
import { inOrder, moveBefore } from './sections';

function conversation(name: string, order?: number): Conversation {
  return { address: name, name, kind: 'room', seen: 0, unread: 0, mentions: 0, settings: order === undefined ? {} : { order } };
}

function apply(all: Conversation[], moved: string, before?: string): Conversation[] {
  const shown = inOrder(all);
  const find = (name?: string) => shown.find((c) => c.name === name);
  const orders = moveBefore(shown, find(moved) as Conversation, find(before));
  return inOrder(all.map((c) => ({ ...c, settings: { ...c.settings, ...(orders.has(c.address) ? { order: orders.get(c.address) as number } : {}) } })));
}

const names = (all: Conversation[]) => all.map((c) => c.name).join('');

test('by name where nothing was moved', () => {
  expect(names(inOrder([conversation('b'), conversation('a'), conversation('c', 5)]))).toBe('cab');
  expect(inOrder([conversation('Line 10'), conversation('line 2')]).map((c) => c.name)).toEqual(['line 2', 'Line 10']);
});

test.each([
  ['c', 'a', 'cabd'],
  ['a', 'c', 'bacd'],
  ['a', undefined, 'bcda'],
  ['d', 'c', 'abdc'],
  ['b', 'b', 'acdb'],
])('%s before %s', (moved, before, expected) => {
  const all = ['a', 'b', 'c', 'd'].map((n) => conversation(n));
  expect(names(apply(all, moved, before))).toBe(expected);
});

test('many moves in a row hold', () => {
  let all = ['a', 'b', 'c', 'd', 'e'].map((n) => conversation(n));
  const expected = ['a', 'b', 'c', 'd', 'e'];
  let seed = 7;
  const random = (n: number) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed % n;
  };
  for (let i = 0; i < 300; i++) {
    const moved = expected[random(5)] as string;
    const rest = expected.filter((n) => n !== moved);
    const at = random(5);
    all = apply(all, moved, rest[at]);
    expected.splice(0, 5, ...rest.toSpliced(at, 0, moved));
    expect(names(all)).toBe(expected.join(''));
  }
});
