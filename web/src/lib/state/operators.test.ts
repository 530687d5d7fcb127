// What a search that is being typed asks for.
import { expect, test } from 'vitest';
import { closed, openOperator } from './operators';

test.each([
  ['from:', { name: 'from', value: '' }],
  ['lunch from:魏', { name: 'from', value: '魏' }],
  ['FROM:bo', { name: 'from', value: 'bo' }],
  ['in:gen', { name: 'in', value: 'gen' }],
])('%s asks for whom or where', (search, operator) => {
  expect(openOperator(search)).toEqual(operator);
});

test.each(['', 'from', 'from:bo ', 'from:bo lunch', 'begin:x', 'has:file'])('“%s” asks for nothing', (search) => {
  expect(openOperator(search)).toBeUndefined();
});

test('what was chosen takes the place of what was typed', () => {
  const search = 'lunch From:魏';
  expect(closed(search, openOperator(search) ?? { name: 'in', value: '' }, 'wei@localhost')).toBe('lunch from:wei@localhost ');
});
