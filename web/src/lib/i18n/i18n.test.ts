// Tests the texts, and how dates and numbers are written.
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  bestLocale, collator, daysBetween, direction, formatBytes, formatDay, formatDayTime, formatDuration, formatList, formatNumber, formatShort, formatTime, locale, plural, relativeTime, setLocale, t, weekdays,
} from '.';
import { fill, regional } from './locale.svelte';
import en from './messages/en';
import app from './messages/en/app';
import parts from './messages/en/parts';
import zh from './messages/zh-CN';
import { mirrored } from './pseudo';

const names = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '').sort();

beforeAll(() => {
  vi.stubEnv('TZ', 'Europe/Berlin');
});
afterEach(() => setLocale('en'));

describe('the texts', () => {
  const keys = Object.keys(en) as (keyof typeof en)[];

  it('are all there in Chinese, with the same placeholders', () => {
    expect(Object.keys(zh).sort()).toEqual([...keys].sort());
    for (const key of keys) expect(names(zh[key] ?? ''), key).toEqual(names(en[key]));
  });

  it('have each key once', () => {
    const own: readonly string[] = Object.keys(parts);
    expect(Object.keys(app).filter((key) => own.includes(key))).toEqual([]);
  });

  it('are not empty, not untranslated, and use the right signs', () => {
    for (const key of keys) {
      expect(en[key].trim(), key).not.toBe('');
      expect(en[key], key).not.toMatch(/\.\.\.|'(?=\w)/);
      expect((zh[key] ?? '').trim(), key).not.toBe('');
      // Latin punctuation directly after a Chinese character is a slip.
      expect(zh[key] ?? '', key).not.toMatch(/\p{Script=Han}[,;:?!]/u);
    }
  });

  it('have both forms of each plural', () => {
    for (const key of keys) if (key.endsWith('.one')) expect(keys).toContain(key.replace(/one$/, 'other'));
  });

  it('come by key, filled in', async () => {
    expect(t('ui.close')).toBe('Close');
    expect(t('ui.remove', { name: 'Anna' })).toBe('Remove Anna');
    expect(plural('emoji.found', 1)).toBe('1 emoji found');
    expect(plural('emoji.found', 1200)).toBe('1,200 emoji found');
    await setLocale('zh-CN');
    expect(locale()).toBe('zh-CN');
    expect(t('ui.close')).toBe('关闭');
    expect(plural('emoji.found', 1)).toBe('找到 1 个表情');
  });

  it('fill in values as they are', () => {
    expect(fill('{a} {b}', { a: '{b}', b: '$&' })).toBe('{b} $&');
    expect(fill('{a} {toString}', { a: 1 })).toBe('1 {toString}');
    expect(fill('{a} left', { a: 'عمر' })).toBe('\u2068عمر\u2069 left');
    expect(fill('{a} {b}', { a: 'Anna', b: '12:00' }, true)).toBe('\u2068Anna\u2069 12:00');
  });
});

describe('the language', () => {
  it('is the best for the wishes', () => {
    expect(bestLocale(['de-DE', 'zh-TW', 'en'])).toBe('zh-CN');
    expect(bestLocale(['zh-cn'])).toBe('zh-CN');
    expect(bestLocale(['en-GB'])).toBe('en');
    expect(bestLocale(['fr'])).toBe('en');
    expect(bestLocale([])).toBe('en');
    expect(bestLocale(['ar-XB'])).toBe('ar-XB');
  });

  it('is written as in the reader’s country', async () => {
    expect(regional('en', ['de-DE', 'en-GB'])).toBe('en-GB');
    expect(regional('zh-CN', ['zh-HK'])).toBe('zh-HK');
    expect(regional('en', ['de-DE'])).toBe('en');
    const at = new Date(2026, 0, 1, 21, 5);
    vi.stubGlobal('navigator', { languages: ['en-GB', 'en'] });
    expect(formatTime(at)).toBe('21:05');
    // An English page of a German reader.
    vi.stubGlobal('navigator', { languages: ['de-DE'] });
    expect(formatTime(at)).toBe('21:05');
    vi.stubGlobal('navigator', { languages: ['en-US'] });
    expect(formatTime(at)).toMatch(/^9:05\sPM$/);
    await setLocale('zh-CN');
    expect(formatTime(at)).toBe('21:05');
    vi.unstubAllGlobals();
  });

  it('may be mirrored for a test', async () => {
    await setLocale('ar-XB');
    expect(direction()).toBe('rtl');
    expect(t('ui.close')).toBe('\u202eClose\u202c');
    expect(t('ui.remove', { name: 'Anna' })).toBe('\u202eRemove\u202c \u2068Anna\u2069');
    expect(mirrored('a {b} c')).toBe('\u202ea\u202c {b} \u202ec\u202c');
    expect(formatTime(new Date(2026, 0, 1, 9, 5))).toMatch(/^9:05\sAM$/);
  });

  it('is the one asked for last, whichever comes first', async () => {
    await Promise.all([setLocale('zh-CN'), setLocale('en')]);
    expect(locale()).toBe('en');
    expect(t('ui.close')).toBe('Close');
  });
});

describe('dates', () => {
  const now = new Date(2026, 10, 29, 13, 0);
  const at = (day: number, hour = 12, month = 10, year = 2026): Date => new Date(year, month, day, hour, 30);

  it('have days with names', async () => {
    expect(formatDay(at(29), now)).toBe('Today');
    expect(formatDay(at(28, 23), now)).toBe('Yesterday');
    expect(formatDay(at(30, 0), now)).toBe('Tomorrow');
    expect(formatDay(at(2), now)).toBe('Monday, November 2');
    expect(formatDay(at(2, 12, 10, 2025), now)).toBe('Sunday, November 2, 2025');
    await setLocale('zh-CN');
    expect(formatDay(at(29), now)).toBe('今天');
    expect(formatDay(at(2), now)).toBe('11月2日星期一');
  });

  it('count calendar days over a change of clocks', () => {
    // The clocks went back on 25 October 2026 in Berlin.
    expect(daysBetween(new Date(2026, 9, 24, 23, 59), new Date(2026, 9, 26, 0, 1))).toBe(2);
    expect(daysBetween(new Date(2026, 2, 28, 12), new Date(2026, 2, 30, 12))).toBe(2);
  });

  it('are short in lists', () => {
    expect(formatShort(at(29, 9), now)).toMatch(/^9:30\sAM$/);
    expect(formatShort(at(28), now)).toBe('Yesterday');
    expect(formatShort(at(25), now)).toBe('Wed');
    expect(formatShort(at(2), now)).toBe('Nov 2');
    expect(formatShort(at(2, 12, 10, 2025), now)).toBe('11/2/2025');
    expect(formatDayTime(at(30, 9), now)).toMatch(/^tomorrow at 9:30\sAM$/);
  });

  it('are told as a distance', async () => {
    const n = now.getTime();
    expect(relativeTime(n - 10_000, n)).toBe('just now');
    expect(relativeTime(n - 50_000, n)).toBe('1 minute ago');
    expect(relativeTime(n - 5 * 60_000, n)).toBe('5 minutes ago');
    expect(relativeTime(n + 3 * 3_600_000, n)).toBe('in 3 hours');
    expect(relativeTime(n - 24 * 3_600_000, n)).toBe('yesterday');
    expect(relativeTime(n - 60 * 24 * 3_600_000, n)).toBe('2 months ago');
    expect(relativeTime(n - 800 * 24 * 3_600_000, n)).toBe('2 years ago');
    await setLocale('zh-CN');
    expect(relativeTime(n - 5 * 60_000, n)).toBe('5分钟前');
  });

  it('have weekdays from Monday on', () => {
    expect(weekdays().map((d) => d.day)).toEqual([1, 2, 3, 4, 5, 6, 0]);
    expect(weekdays().map((d) => d.name)).toEqual(['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']);
  });
});

describe('numbers', () => {
  it('are sizes, lengths and lists', async () => {
    expect(formatNumber(12345)).toBe('12,345');
    expect(formatBytes(0)).toBe('0 bytes');
    expect(formatBytes(999)).toBe('999 bytes');
    expect(formatBytes(1234)).toBe('1.2 kB');
    expect(formatBytes(999_600)).toBe('1 MB');
    expect(formatBytes(25_000_000)).toBe('25 MB');
    expect(formatDuration(7_400)).toBe('0:07');
    expect(formatDuration(750_000)).toBe('12:30');
    expect(formatDuration(3_723_000)).toBe('1:02:03');
    expect(formatList(['a', 'b', 'c'])).toBe('a, b, and c');
    await setLocale('zh-CN');
    expect(formatList(['甲', '乙', '丙'])).toBe('甲、乙和丙');
    expect(['乙', '甲'].sort(collator().compare)).toEqual(['甲', '乙']);
  });
});
