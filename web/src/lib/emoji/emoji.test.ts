// Tests the data of the emoji, the search, the memory of what was used, and the way the arrow keys go.
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { completeEmoji, emojiOfCode, loadEmoji } from '.';
import { setLocale } from '../i18n';
import data from './data.txt?raw';
import { GROUPS, readEmoji, searchEmoji, withTone, withoutTone } from './emoji';
import { gridMove } from './grid';
import { MOST_RECENT, recentEmoji, rememberEmoji, rememberTone, rememberedTone, used, USUAL } from './recent';

const all = readEmoji(data);
/** The emoji that Unicode recommends for interchange. Written so because the flag is newer than the language of the sources. */
const RECOMMENDED = new RegExp('^\\p{RGI_Emoji}$', 'v');
const first = (text: string): string | undefined => searchEmoji(all, text)[0]?.emoji;
const among = (text: string, count = 8): string[] => searchEmoji(all, text).slice(0, count).map((e) => e.emoji);

beforeEach(() => {
  const stored = new Map<string, string>();
  vi.stubGlobal('localStorage', { getItem: (key: string) => stored.get(key) ?? null, setItem: (key: string, value: string) => stored.set(key, value) });
});

describe('the data', () => {
  it('is small', async () => {
    const packed = await new Response(new Blob([data]).stream().pipeThrough(new CompressionStream('gzip'))).arrayBuffer();
    expect(packed.byteLength).toBeLessThan(60_000);
  });

  it('holds every emoji once, with its names', () => {
    expect(all.length).toBeGreaterThan(1800);
    expect(new Set(all.map((e) => e.emoji)).size).toBe(all.length);
    for (const e of all) {
      expect(e.name, e.emoji).not.toBe('');
      expect(e.codes.length, e.emoji).toBeGreaterThan(0);
      expect(e.zh, e.emoji).not.toBe('');
      for (const code of e.codes) expect(code, e.emoji).toMatch(/^[+\w-]+$/);
      // What a font may show in two ways is said to be a picture.
      expect(e.emoji, e.name).toMatch(RECOMMENDED);
    }
    expect([...new Set(all.map((e) => e.group))]).toEqual([...GROUPS]);
  });

  it('knows which come in skin tones', () => {
    expect(all.filter((e) => e.toned).length).toBeGreaterThan(300);
    for (const e of all.filter((e) => e.toned)) for (const tone of [1, 5] as const) expect(withTone(e.emoji, tone), e.name).toMatch(RECOMMENDED);
  });
});

describe('skin tones', () => {
  it('stand after the hand or person', () => {
    expect(withTone('👍', 0)).toBe('👍');
    expect(withTone('👍', 3)).toBe('👍🏽');
    expect(withTone('✌️', 5)).toBe('✌🏿');
    expect(withTone('🤷‍♀️', 1)).toBe('🤷🏻‍♀️');
    expect(withoutTone('🤷🏻‍♀️')).toBe('🤷‍♀️');
  });
});

describe('the search', () => {
  it.each([
    ['tada', '🎉'],
    ['thumbsup', '👍'],
    ['+1', '👍'],
    ['-1', '👎'],
    ['heart', '❤️'],
    ['joy', '😂'],
    ['white_check_mark', '✅'],
    [':rocket:', '🚀'],
    ['😂', '😂'],
    ['👍🏽', '👍'],
    ['火箭', '🚀'],
    ['红心', '❤️'],
    ['flag china', '🇨🇳'],
    ['shrug', '🤷'],
  ])('finds %s', (text, emoji) => {
    expect(first(text)).toBe(emoji);
  });

  it('finds what is near, too', () => {
    expect(among('赞')).toContain('👍');
    expect(among('生日')).toContain('🎂');
    expect(among('laugh')).toContain('😂');
    expect(among('red car')).toContain('🚗');
    expect(among('中国', 3)).toContain('🇨🇳');
    expect(among('cof')).toContain('☕');
  });

  it('finds nothing for nothing', () => {
    expect(searchEmoji(all, '  ')).toEqual([]);
    expect(searchEmoji(all, 'qqqq')).toEqual([]);
    expect(searchEmoji(all, 'x'.repeat(10_000))).toEqual([]);
  });
});

describe('completion', () => {
  it('knows the usual ones at once, and all when the data has come', async () => {
    expect(completeEmoji('tad')[0]).toEqual({ emoji: '🎉', name: 'tada' });
    await loadEmoji();
    expect(completeEmoji(':tad')[0]).toEqual({ emoji: '🎉', name: 'tada' });
    expect(completeEmoji('hedgeh')[0]?.emoji).toBe('🦔');
    expect(completeEmoji('a').length).toBe(8);
    expect(completeEmoji('')).toEqual([]);
    expect(emojiOfCode('tada')).toBe('🎉');
    expect(emojiOfCode('nothing_like_it')).toBeUndefined();
  });

  it('speaks the language of the page and the chosen skin tone', async () => {
    await loadEmoji();
    rememberTone(2);
    expect(completeEmoji('+1')[0]?.emoji).toBe('👍🏼');
    expect(emojiOfCode('+1')).toBe('👍🏼');
    await setLocale('zh-CN');
    expect(completeEmoji('火箭')[0]).toEqual({ emoji: '🚀', name: '火箭' });
    await setLocale('en');
  });
});

describe('what was used', () => {
  it('comes first, the often used before the lately used', () => {
    expect(recentEmoji()).toEqual(USUAL);
    for (let i = 0; i < 5; i += 1) rememberEmoji('🦔');
    rememberEmoji('🐦');
    expect(recentEmoji().slice(0, 2)).toEqual(['🦔', '🐦']);
    expect(recentEmoji()).toContain('👍');
  });

  it('does not grow without end', () => {
    let uses: [string, number][] = [];
    for (const e of all.slice(0, 500)) uses = used(uses, e.emoji);
    expect(uses.length).toBeLessThanOrEqual(64);
    for (const e of all.slice(0, 100)) rememberEmoji(e.emoji);
    expect(recentEmoji().length).toBe(MOST_RECENT);
  });

  it('survives strange contents of the storage', () => {
    for (const strange of ['{', '[1,["a"],["b","c"],[null,1]]', '"x"', 'null', '{"a":1}']) {
      localStorage.setItem('waxwing.emoji.recent', strange);
      localStorage.setItem('waxwing.emoji.tone', strange);
      expect(recentEmoji()).toEqual(USUAL);
      expect(rememberedTone()).toBe(0);
    }
    vi.stubGlobal('localStorage', undefined);
    rememberEmoji('🐦');
    expect(recentEmoji()).toEqual(USUAL);
  });
});

describe('the arrow keys', () => {
  // Rows: 0-7, 8-9 | 10-17, 18-21.
  const lengths = [10, 12];
  const go = (key: string, at: number, rtl = false): number | undefined => gridMove(key, at, lengths, 8, rtl);

  it('go through all grids as one', () => {
    expect(go('ArrowRight', 9)).toBe(10);
    expect(go('ArrowLeft', 10)).toBe(9);
    expect(go('ArrowRight', 21)).toBe(21);
    expect(go('ArrowLeft', 0)).toBe(0);
    expect(go('ArrowRight', 5, true)).toBe(4);
    expect(go('ArrowDown', 1)).toBe(9);
    expect(go('ArrowDown', 5)).toBe(9);
    expect(go('ArrowDown', 9)).toBe(11);
    expect(go('ArrowUp', 11)).toBe(9);
    expect(go('ArrowUp', 3)).toBe(-1);
    expect(go('ArrowDown', 20)).toBe(20);
    expect(go('Home', 14)).toBe(10);
    expect(go('End', 9)).toBe(9);
    expect(go('PageDown', 0)).toBe(18);
    expect(go('PageUp', 21)).toBe(3);
    expect(go('x', 1)).toBeUndefined();
    expect(gridMove('ArrowDown', 0, [], 8, false)).toBeUndefined();
  });
});
