// Ranges of mentions in code points, and what is offered while a name is being written.
import { describe, expect, test } from 'vitest';
import { findMentions, linkRooms, pickedIn, wordBefore, type Picked } from './mentions';

const ANN: Picked = { kind: 'person', address: 'ann@localhost', name: 'Ann' };
const ANN_LEE: Picked = { kind: 'person', address: 'lee@localhost', name: 'Ann Lee' };

describe('ranges', () => {
  test('count code points and not units of UTF-16', () => {
    expect(findMentions('😀 @Ann!', [ANN])).toEqual([{ kind: 'person', address: 'ann@localhost', begin: 2, end: 6 }]);
  });

  test('the longer name wins', () => {
    expect(findMentions('@Ann Lee and @Ann', [ANN, ANN_LEE]).map((m) => m.address)).toEqual([
      'lee@localhost',
      'ann@localhost',
    ]);
  });

  test('a name within a longer word is none', () => {
    expect(findMentions('@Annabel me@Ann.org', [ANN])).toHaveLength(1);
    expect(findMentions('@Annabel', [ANN])).toHaveLength(0);
  });

  test('survive a change of the text', () => {
    const text = '你好 @Ann Lee 在吗';
    const mentions = findMentions(text, [ANN_LEE]);
    expect(pickedIn(text, mentions)).toEqual([ANN_LEE]);
  });
});

describe('the word before the cursor', () => {
  test.each([
    ['hello @an', '@', 'an'],
    ['@', '@', ''],
    ['你好@小', '@', '小'],
    ['@Ann L', '@', 'Ann L'],
    ['x :smi', ':', 'smi'],
  ] as const)('%s', (text, sign, word) => {
    expect(wordBefore(text, text.length, sign)?.word).toBe(word);
  });

  test.each([
    ['mail@host', '@'],
    ['@ann\n', '@'],
    ['10:30', ':'],
    [':s', ':'],
    ['http://', ':'],
    ['no sign', '@'],
  ] as const)('%s offers nothing', (text, sign) => {
    expect(wordBefore(text, text.length, sign)).toBeUndefined();
  });
});

test('rooms that were picked become links, once', () => {
  const rooms = [
    { name: 'Design', address: 'design@rooms.localhost' },
    { name: 'Design reviews', address: 'reviews@rooms.localhost' },
  ];
  const linked = linkRooms('see #Design reviews, #Design and #Designers', rooms);
  expect(linked).toBe('see [#Design reviews](xmpp:reviews@rooms.localhost?join), [#Design](xmpp:design@rooms.localhost?join) and #Designers');
  expect(linkRooms(linked, rooms)).toBe(linked);
});
