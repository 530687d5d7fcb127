// Which messages call their reader, row by row.
import { expect, test } from 'vitest';
import type { Conversation, Message } from '../api/types';
import { callsFor, hasWord, isNamed } from './notify';

const ME = 'me@localhost';
const NOW = 1_000_000;

function calls(
  kind: Conversation['kind'],
  settings: Conversation['settings'],
  notify: 'all' | 'mentions' | 'nothing',
  more: Partial<Message> = {},
  follows = false,
): boolean {
  const conversation = { kind, settings } as Conversation;
  const message = { text: 'the Release is out', ...more } as Message;
  return callsFor(message, conversation, { notify, keywords: ['release '] }, ME, follows, NOW);
}

const MENTIONED = { text: '@Me', mentions: [{ kind: 'person' as const, address: ME, begin: 0, end: 3 }] };
const OTHER = { text: '@You', mentions: [{ kind: 'person' as const, address: 'you@localhost', begin: 0, end: 4 }] };
const PLAIN = { text: 'hello' };

test.each([
  ['direct', {}, 'mentions', PLAIN, true],
  ['direct', {}, 'nothing', PLAIN, false],
  ['direct', { notify: 'mentions' }, 'all', PLAIN, false],
  ['room', {}, 'all', PLAIN, true],
  ['room', {}, 'all', { ...PLAIN, thread: 'x' }, true],
  ['room', {}, 'mentions', { ...PLAIN, thread: 'x' }, false],
  ['direct', {}, 'mentions', { ...PLAIN, thread: 'x' }, true],
  ['room', {}, 'mentions', PLAIN, false],
  ['room', {}, 'mentions', MENTIONED, true],
  ['room', {}, 'mentions', OTHER, false],
  ['room', {}, 'mentions', { text: 'x', mentions: [{ kind: 'room' as const, begin: 0, end: 1 }] }, true],
  ['room', {}, 'mentions', {}, true],
  ['room', { keywords: ['HELLO'] }, 'mentions', PLAIN, true],
  ['room', { notify: 'all' }, 'nothing', PLAIN, true],
  ['room', { muted_until_ms: 0 }, 'all', MENTIONED, false],
  ['room', { muted_until_ms: NOW + 1 }, 'all', MENTIONED, false],
  ['room', { muted_until_ms: NOW - 1 }, 'all', PLAIN, true],
] as const)('%s %j %s', (kind, settings, notify, more, expected) => {
  expect(calls(kind, settings as Conversation['settings'], notify, more as Partial<Message>)).toBe(expected);
});

test('an answer calls those who follow its thread', () => {
  const answer = { ...PLAIN, thread: 'x' };
  expect(calls('room', {}, 'mentions', answer, true)).toBe(true);
  expect(calls('room', {}, 'nothing', answer, true)).toBe(false);
  expect(calls('room', { muted_until_ms: 0 }, 'mentions', answer, true)).toBe(false);
});

test.each([
  ['Ann, please', 'ann', true],
  ['an announcement, Joann', 'ann', false],
  ['announced to Ann', 'ann', true],
  ['请看一下构建结果', '构建', true],
  ['Müller', 'Mü', false],
  ['Юлия?', 'юлия', true],
  ['v2.4 is out', '2.4', false],
  ['anything', ' ', false],
] as const)('“%s” has the word “%s”: %s', (text, word, expected) => {
  expect(hasWord(text, word)).toBe(expected);
});

test('nothing calls in quiet hours', () => {
  const conversation = { kind: 'direct', settings: {} } as Conversation;
  const message = { text: 'hello' } as Message;
  // 1 January 2024 was a Monday.
  const at = (hour: number): number => Date.UTC(2024, 0, 1, hour);
  const preferences = { notify: 'all' as const, keywords: [], quiet_hours: { from: '18:00', to: '08:00', days: [1, 2, 3, 4, 5], zone: 'UTC' } };
  expect([12, 17, 18, 23].map((hour) => callsFor(message, conversation, preferences, ME, false, at(hour)))).toEqual([true, true, false, false]);
});

test.each([
  ['room', MENTIONED, true],
  ['room', OTHER, false],
  ['room', {}, true],
  ['room', { text: 'ask Mercutio, please' }, true],
  ['room', { text: 'some' }, false],
  ['direct', {}, false],
  ['direct', MENTIONED, true],
] as const)('in a %s, %o names the reader: %s', (kind, more, named) => {
  const message = { text: 'the Release is out', ...more } as unknown as Message;
  expect(isNamed(message, { kind, settings: {} } as Conversation, { keywords: ['release '] }, { address: ME, name: 'Mercutio' })).toBe(named);
});
