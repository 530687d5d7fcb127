// Proves that every text and every outline of the tokens can be seen on every ground it is meant for, in all themes.
import { describe, expect, it } from 'vitest';
import { contrast, outside, themesOf } from './colour';
import css from './tokens.css?raw';

const themes = themesOf(css);

const GROUNDS = ['ground', 'ground-side', 'ground-raised', 'ground-sunken', 'ground-hover'];
const AVATARS = [0, 1, 2, 3, 4, 5, 6, 7].map((n) => `avatar-${n}`);
const CODE = ['text', 'keyword', 'string', 'number', 'comment', 'name', 'type'].map((kind) => `code-${kind}`);

/** Foregrounds of text and the grounds they stand on: at least 4.5, and 7 with high contrast (WCAG 2.2, 1.4.3 and 1.4.6). */
const TEXTS: [foregrounds: string[], grounds: string[]][] = [
  [['text', 'text-soft', 'text-link', 'alert', 'good'], GROUNDS],
  [['text', 'text-soft'], ['ground-active']],
  [['text-rail', 'text-rail-strong'], ['ground-rail', 'ground-rail-hover', 'ground-rail-active']],
  [['accent-text'], ['accent', 'accent-hover']],
  [['accent-soft-text'], ['accent-soft']],
  [['alert-text'], ['alert', 'alert-hover']],
  [['alert-soft-text'], ['alert-soft']],
  [['mark-soft-text', 'text', 'text-soft'], ['mark-soft']],
  [['good-soft-text'], ['good-soft']],
  [CODE, ['code-ground']],
  [['avatar-text'], AVATARS],
];

/** Outlines and pictures that carry a meaning: at least 3 (1.4.11). */
const SHAPES: [foregrounds: string[], grounds: string[]][] = [
  [['line-strong', 'focus', 'accent', 'mark', 'presence-online', 'presence-busy', 'presence-offline'], [...GROUNDS]],
  [['presence-away'], ['ground', 'ground-side', 'ground-raised']],
  [['focus'], ['ground-active', 'accent-soft']],
  [['accent'], ['ground-active']],
];

describe.each(themes)('$name', ({ name, colours }) => {
  const colour = (token: string): [number, number, number] => {
    const found = colours.get(token);
    if (!found) throw new Error(`no colour --${token}`);
    return found;
  };
  const check = (pairs: typeof TEXTS, least: number): string[] =>
    pairs.flatMap(([foregrounds, grounds]) =>
      foregrounds.flatMap((foreground) =>
        grounds.flatMap((ground) => {
          const reached = contrast(colour(foreground), colour(ground));
          return reached >= least ? [] : [`${foreground} on ${ground}: ${reached.toFixed(2)} of ${least}`];
        }),
      ),
    );

  it('shows every text', () => {
    expect(check(TEXTS, name.startsWith('contrast') ? 7 : 4.5)).toEqual([]);
  });

  it('shows every outline', () => {
    expect(check(SHAPES, 3)).toEqual([]);
  });

  it('stays within what every screen can show', () => {
    const far = [...colours].filter(([, value]) => outside(value) > 0.015).map(([token, value]) => `${token} ${outside(value).toFixed(3)}`);
    expect(far).toEqual([]);
  });
});

it('covers every colour of the tokens', () => {
  const used = new Set([...TEXTS, ...SHAPES].flat(2));
  const decorative = new Set(['line', 'ground-rail', 'avatar-text']);
  expect([...(themes[0]?.colours.keys() ?? [])].filter((token) => !used.has(token) && !decorative.has(token))).toEqual([]);
});

it('computes contrast as WCAG does', () => {
  expect(contrast([1, 0, 0], [0, 0, 0])).toBeCloseTo(21, 1);
  // #767676 on white is the well-known 4.54.
  expect(contrast([0.5659, 0, 0], [1, 0, 0])).toBeCloseTo(4.54, 1);
});

it('changes the same colours with high contrast as it has', () => {
  const names = (part: string): Set<string> => new Set([...part.matchAll(/--([\w-]+):\s*light-dark/g)].map((match) => match[1] ?? ''));
  const [plain = '', contrasting = ''] = css.split(":root[data-theme='contrast']");
  expect([...names(plain)].filter((name) => !names(contrasting).has(name) && !name.startsWith('shadow'))).toEqual([]);
});
