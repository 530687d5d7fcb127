// Grouping of messages, day lines, and the line before what is new.
import { expect, test } from 'vitest';
import type { Message } from '../api/types';
import { rowsOf, unchanged } from './rows';

const NOON = new Date(2026, 5, 1, 12).getTime() * 1000;
const MINUTE = 60_000_000;
const DAY = 24 * 60 * MINUTE;

function message(minutes: number, from = 'bob', more: Partial<Message> = {}): Message {
  const position = NOON + minutes * MINUTE;
  return {
    id: String(position),
    conversation: 'x',
    position,
    from: { address: `${from}@localhost`, name: from },
    kind: 'message',
    text: '',
    ...more,
  };
}

function shape(messages: Message[], newSince?: number): string {
  return rowsOf(messages, newSince, 'me@localhost')
    .map((r) => (r.kind === 'message' ? (r.isFirst ? 'M' : 'm') : r.kind === 'day' ? 'D' : 'N'))
    .join('');
}

test('messages of one sender within five minutes are one group', () => {
  expect(shape([message(0), message(4), message(8), message(14), message(15, 'ann')])).toBe('DMmmMM');
});

test('a reply and a system message begin a group of their own', () => {
  expect(shape([message(0), message(1, 'bob', { reply_to: { id: 'x' } }), message(2)])).toBe('DMMm');
  expect(shape([message(0), message(1, 'bob', { kind: 'system' }), message(2)])).toBe('DMMM');
});

test('a line between days', () => {
  expect(shape([message(0), message(DAY / MINUTE)])).toBe('DMDM');
});

test('the line before what is new stands before the first message of somebody else', () => {
  expect(shape([message(0), message(1), message(2)], NOON)).toBe('DMNMm');
  expect(shape([message(0), message(1, 'me'), message(2)], NOON)).toBe('DMMNM');
  expect(shape([message(0), message(1, 'me')], NOON)).toBe('DMM');
  expect(shape([message(5), message(6)], NOON)).toBe('DMm');
});

test('rows that say the same stay the same objects', () => {
  const messages = [message(0), message(4), message(20)];
  const before = rowsOf(messages, undefined, 'me@localhost');
  const edited = { ...message(4), text: 'other' };
  const known = new Map(before.map((row) => [row.key, row]));
  const after = unchanged(rowsOf([message(-1), messages[0] as Message, edited, messages[2] as Message], undefined, 'me@localhost'), known);
  const isOld = after.map((row) => before.includes(row));
  // The day, what now stands under the new one's name, what was edited, and the last.
  expect(isOld).toEqual([true, false, false, false, true]);
});
