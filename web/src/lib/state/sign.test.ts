// Tests by which sign a room is known.
import { expect, it } from 'vitest';
import { signOf } from './sign';

it('shows first who may speak, then who may come in', () => {
  expect(signOf({ public: true, announcements_only: true })).toBe('megaphone');
  expect(signOf({ public: false, announcements_only: true })).toBe('megaphone');
  expect(signOf({ public: false, announcements_only: false })).toBe('lock');
  expect(signOf({ public: true, announcements_only: false })).toBe('hash');
  expect(signOf(undefined)).toBe('hash');
});
