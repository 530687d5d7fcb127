// Tests the logic of the components: placing, moving, initials, typing ahead, notices, and that each renders what screen readers need.
import { createRawSnippet } from 'svelte';
import { render } from 'svelte/server';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import Avatar from './Avatar.svelte';
import { AVATAR_COLOURS, colourOf, initialsOf } from './avatar';
import Button from './Button.svelte';
import { moved } from './focus';
import IconButton from './IconButton.svelte';
import { drawing, ICONS } from './icons';
import { typedAhead, type MenuItem } from './menu';
import { place } from './place';
import Switch from './Switch.svelte';
import TextField from './TextField.svelte';
import { dismiss, hold, notices, toast } from './toasts.svelte';

describe('placing', () => {
  const page = { width: 400, height: 300 };
  const size = { width: 100, height: 50 };
  const wish = { side: 'bottom', align: 'start', gap: 6, rtl: false } as const;

  it('goes where it is wished if there is room', () => {
    expect(place({ left: 50, top: 50, width: 40, height: 20 }, size, page, wish)).toEqual({ left: 50, top: 76, side: 'bottom' });
    expect(place({ left: 50, top: 100, width: 40, height: 20 }, size, page, { ...wish, side: 'top', align: 'center' })).toEqual({ left: 20, top: 44, side: 'top' });
    expect(place({ left: 150, top: 100, width: 40, height: 20 }, size, page, { ...wish, side: 'end' })).toEqual({ left: 196, top: 100, side: 'end' });
    expect(place({ left: 150, top: 100, width: 40, height: 20 }, size, page, { ...wish, align: 'end' })).toEqual({ left: 90, top: 126, side: 'bottom' });
  });

  it('goes to the other side if there is not', () => {
    expect(place({ left: 50, top: 260, width: 40, height: 20 }, size, page, wish)).toMatchObject({ top: 204, side: 'top' });
    expect(place({ left: 350, top: 100, width: 40, height: 20 }, size, page, { ...wish, side: 'end' })).toMatchObject({ left: 244, side: 'start' });
  });

  it('stays within the page', () => {
    expect(place({ left: 380, top: 10, width: 10, height: 10 }, size, page, wish).left).toBe(292);
    expect(place({ left: -50, top: 10, width: 10, height: 10 }, size, page, wish).left).toBe(8);
    expect(place({ left: 10, top: 10, width: 10, height: 10 }, { width: 100, height: 900 }, page, wish).top).toBe(8);
  });

  it('mirrors from right to left', () => {
    expect(place({ left: 150, top: 50, width: 40, height: 20 }, size, page, { ...wish, rtl: true }).left).toBe(90);
    expect(place({ left: 150, top: 50, width: 40, height: 20 }, size, page, { ...wish, side: 'end', rtl: true }).left).toBe(44);
  });
});

describe('moving in a list', () => {
  it('goes round', () => {
    expect(moved('ArrowDown', -1, 3)).toBe(0);
    expect(moved('ArrowDown', 2, 3)).toBe(0);
    expect(moved('ArrowUp', 0, 3)).toBe(2);
    expect(moved('ArrowUp', -1, 3)).toBe(2);
    expect(moved('Home', 2, 3)).toBe(0);
    expect(moved('End', 0, 3)).toBe(2);
    expect(moved('a', 0, 3)).toBeUndefined();
    expect(moved('ArrowDown', 0, 0)).toBeUndefined();
  });
});

describe('initials', () => {
  it.each([
    ['Anna Bell', 'AB'],
    ['anna', 'A'],
    ['Anna Maria von Bell', 'AB'],
    ['anna.bell@example.org', 'AO'],
    ['王小明', '小明'],
    ['欧阳', '欧阳'],
    ['李', '李'],
    ['김철수', '철수'],
    ['Ünal Öz', 'ÜÖ'],
    ['😀 Anna', 'A'],
    ['', '?'],
    ['...', '?'],
  ])('%s', (name, initials) => {
    expect(initialsOf(name)).toBe(initials);
  });

  it('have a colour that stays, and all colours are used', () => {
    expect(colourOf('Anna@Example.org')).toBe(colourOf('anna@example.org'));
    expect(new Set(Array.from({ length: 200 }, (_, i) => colourOf(`user${i}@example.org`))).size).toBe(AVATAR_COLOURS);
  });
});

describe('typing ahead in a menu', () => {
  const items = ['Reply', 'React', 'Edit', 'Copy link'].map((label): MenuItem => ({ label, onselect: () => undefined }));

  it('finds the next that begins so', () => {
    expect(typedAhead(items, 0, 'r')).toBe(1);
    expect(typedAhead(items, 1, 'r')).toBe(0);
    expect(typedAhead(items, 1, 're')).toBe(1);
    expect(typedAhead(items, 0, 'C')).toBe(3);
    expect(typedAhead(items, 0, 'x')).toBe(-1);
    expect(typedAhead([], 0, 'x')).toBe(-1);
  });
});

describe('notices', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => {
    hold(false);
    for (const notice of notices()) dismiss(notice.id);
    vi.useRealTimers();
  });

  it('go after a while, later if they can be undone', () => {
    toast('a');
    toast('b', { undo: () => undefined });
    vi.advanceTimersByTime(6000);
    expect(notices().map((n) => n.text)).toEqual(['b']);
    vi.advanceTimersByTime(6000);
    expect(notices()).toEqual([]);
  });

  it('stay while they are read', () => {
    toast('a');
    hold(true);
    toast('b');
    vi.advanceTimersByTime(60_000);
    expect(notices()).toHaveLength(2);
    hold(false);
    vi.advanceTimersByTime(6000);
    expect(notices()).toEqual([]);
  });

  it('do not stay because an earlier one was put away with a press', () => {
    toast('a');
    hold(true);
    for (const notice of notices()) dismiss(notice.id);
    toast('b');
    vi.advanceTimersByTime(6000);
    expect(notices()).toEqual([]);
  });

  it('are counted when they repeat, and not too many at once', () => {
    toast('a');
    toast('a');
    expect(notices()).toMatchObject([{ text: 'a', times: 2 }]);
    for (const text of ['b', 'c', 'd', 'e', 'f']) toast(text);
    expect(notices().map((n) => n.text)).toEqual(['c', 'd', 'e', 'f']);
  });

  it('can be taken back by who said them', () => {
    const away = toast('a');
    away();
    expect(notices()).toEqual([]);
  });
});

describe('icons', () => {
  it('are all drawn within their grid', () => {
    for (const name of ICONS) {
      const { path } = drawing(name);
      expect(path, name).toMatch(/^M[MmLlHhVvCcSsQqTtAaZz\d\s.-]+$/);
      for (const number of path.match(/-?\d+(?:\.\d+)?/g) ?? []) expect(Math.abs(Number(number)), name).toBeLessThanOrEqual(24);
    }
  });
});

describe('components', () => {
  const words = createRawSnippet(() => ({ render: () => '<span>Words</span>' }));

  it('say what they are', () => {
    expect(render(IconButton, { props: { icon: 'send', label: 'Send', pressed: true } }).body).toMatch(/<button[^>]*aria-label="Send"[^>]*aria-pressed="true"/);
    expect(render(Button, { props: { busy: true, children: words } }).body).toMatch(/aria-disabled="true" aria-busy="true"/);
    expect(render(Switch, { props: { label: 'Sound', hint: 'Plays' } }).body).toMatch(/role="switch"[^>]*aria-labelledby="[^"]+"[^>]*aria-describedby=/);
    const field = render(TextField, { props: { label: 'Name', error: 'Write a name' } }).body;
    expect(field).toMatch(/aria-invalid="true"/);
    expect(field).toMatch(/role="alert"/);
    expect(render(Avatar, { props: { address: 'a@b.example', name: 'Anna', presence: 'away' } }).body).toContain('Away');
  });

  it('use no inline style that the content security policy would stop', () => {
    for (const body of [render(IconButton, { props: { icon: 'send', label: 'Send' } }).body, render(Button, { props: { children: words } }).body]) expect(body).not.toContain('style=');
  });
});
