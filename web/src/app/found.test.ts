// Which words of a search are marked, and where.
import { expect, test } from 'vitest';
import { placesOf, wordsOf } from './found';

test('operators and quotation marks are not looked for in the text', () => {
  expect(wordsOf('from:bo "Read receipts" before:2026-01-01 数据库')).toEqual(['read', 'receipts', '数据库']);
  expect(wordsOf('has:image')).toEqual([]);
});

test('words are found whatever their case, and Chinese within a sentence', () => {
  expect(placesOf('The theme', ['the'])).toEqual([[0, 3], [4, 7]]);
  expect(placesOf('升级数据库完成', ['数据库'])).toEqual([[2, 5]]);
  expect(placesOf('İstanbul the', ['the'])).toEqual([]);
});
