// Preferences that are changed faster than the server answers.
import { expect, test } from 'vitest';
import type { Call } from '../api/socket';
import type { Preferences as Values } from '../api/types';
import { DEFAULTS, Preferences } from './preferences.svelte';

/** Answers one request after the other, when it is told to. */
function slowServer(): { call: Call; answer: () => Promise<void>; refuse: () => Promise<void> } {
  let kept: Record<string, unknown> = { ...DEFAULTS };
  const waiting: { change: Record<string, unknown>; resolve: (answer: { preferences: Values }) => void; reject: (error: Error) => void }[] = [];
  const next = () => {
    const one = waiting.shift();
    if (!one) throw new Error('Nothing was asked.');
    return one;
  };
  const done = () => new Promise<void>((resolve) => setTimeout(resolve));
  return {
    call: ((_: string, change: Record<string, unknown>) => new Promise((resolve, reject) => waiting.push({ change, resolve, reject }))) as unknown as Call,
    answer: () => {
      const { change, resolve } = next();
      kept = Object.fromEntries(Object.entries({ ...kept, ...change }).filter(([, value]) => value !== null));
      resolve({ preferences: kept as unknown as Values });
      return done();
    },
    refuse: () => {
      next().reject(new Error('no'));
      return done();
    },
  };
}

const QUIET = { days: [1], from: '18:00', to: '08:00', zone: 'UTC' };

test('an answer to one change does not take back the next', async () => {
  const { call, answer } = slowServer();
  const preferences = new Preferences(call);
  void preferences.change({ desktop: false });
  void preferences.change({ desktop: true });
  void preferences.change({ quiet_hours: QUIET });
  await answer();
  expect(preferences.values).toMatchObject({ desktop: true, quiet_hours: QUIET });
  void preferences.change({ quiet_hours: null });
  await answer();
  await answer();
  expect(preferences.values.quiet_hours).toBeUndefined();
  await answer();
  expect(preferences.values).toEqual(DEFAULTS);
});

test('what another device has set stays when a change is refused', async () => {
  const { call, refuse } = slowServer();
  const preferences = new Preferences(call);
  const changing = preferences.change({ sound: false });
  preferences.receive({ ...DEFAULTS, density: 'compact' });
  expect(preferences.values).toMatchObject({ density: 'compact', sound: false });
  await Promise.all([expect(changing).rejects.toThrow('no'), refuse()]);
  expect(preferences.values).toEqual({ ...DEFAULTS, density: 'compact' });
});
