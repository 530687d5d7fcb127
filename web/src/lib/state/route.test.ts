// Addresses of what is shown: written and read back, and odd ones taken calmly.
import { expect, test } from 'vitest';
import { formatRoute, parseRoute, type Route } from './route';

test.each<Route>([
  { view: 'home' },
  { view: 'threads' },
  { view: 'people' },
  { view: 'conversation', conversation: 'a/b c@rooms.localhost' },
  { view: 'conversation', conversation: 'bob@localhost', at: 1_764_400_000_000_001 },
  { view: 'conversation', conversation: 'bob@localhost', panel: { kind: 'thread', root: 'a?b=c&d' } },
  { view: 'conversation', conversation: 'bob@localhost', panel: { kind: 'details' } },
  { view: 'mentions', panel: { kind: 'search', text: 'from:bob 报告' } },
  { view: 'conversation', conversation: 'bob@localhost', panel: { kind: 'search', text: '报告', everywhere: true } },
  { view: 'home', invitation: 'x/y' },
])('$view survives the way to the address and back', (route) => {
  expect(parseRoute(formatRoute(route))).toEqual(route);
});

test.each(['', '#', '#/', '#/nowhere', '#/c/', '#/c', '#%%%', '#/?at=x&panel=y'])('%s shows the beginning', (hash) => {
  expect(parseRoute(hash)).toEqual({ view: 'home' });
});

test('the link of the first start is read, and not written again', () => {
  const route = parseRoute('#/first/admin@localhost/ytbv-kqba');
  expect(route).toEqual({ view: 'home', first: { address: 'admin@localhost', password: 'ytbv-kqba' } });
  expect(formatRoute(route)).toBe('#/');
});
