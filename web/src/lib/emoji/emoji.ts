// The emoji of Unicode with their names in English and Chinese: reading the data, searching, skin tones.

export interface Emoji {
  emoji: string;
  group: Group;
  /** English name. */
  name: string;
  /** What one types between colons, the usual one first. */
  codes: string[];
  tags: string[];
  /** Chinese name. */
  zh: string;
  zhTags: string[];
  /** Whether it comes in skin tones. */
  toned: boolean;
}

export const GROUPS = ['smileys', 'people', 'nature', 'food', 'travel', 'activities', 'objects', 'symbols', 'flags'] as const;
export type Group = (typeof GROUPS)[number];

/** 0 is the default, 1 to 5 from light to dark. */
export type Tone = 0 | 1 | 2 | 3 | 4 | 5;

const words = (field: string | undefined): string[] => (field ? field.split(',') : []);

/** Reads the lines that scripts/emoji.mjs wrote. */
export function readEmoji(data: string): Emoji[] {
  const all: Emoji[] = [];
  let group: Group = 'smileys';
  for (const line of data.split('\n')) {
    if (line === '') continue;
    // A group is “#name”; the keycap “#️⃣” has fields.
    if (line.startsWith('#') && !line.includes(';')) {
      group = line.slice(1) as Group;
      continue;
    }
    const [sign = '', name = '', codes = '', tags, zh = '', zhTags] = line.split(';');
    const toned = sign.endsWith('+');
    // “=” stands for the name as a code.
    const own = name.toLowerCase().replace(/[^a-z0-9]+/g, '_').replace(/^_|_$/g, '');
    all.push({
      emoji: toned ? sign.slice(0, -1) : sign,
      group,
      name,
      codes: words(codes).map((code) => (code === '=' ? own : code)),
      tags: words(tags),
      zh,
      zhTags: words(zhTags),
      toned,
    });
  }
  return all;
}

/** An emoji in a skin tone. The modifier goes after the person or hand, which stands first. */
export function withTone(emoji: string, tone: Tone): string {
  if (tone === 0) return emoji;
  const [first = '', ...rest] = [...emoji];
  if (rest[0] === '\ufe0f') rest.shift();
  return first + String.fromCodePoint(0x1f3fa + tone) + rest.join('');
}

/** An emoji without its skin tone. */
export function withoutTone(emoji: string): string {
  return emoji.replace(/[\u{1f3fb}-\u{1f3ff}]/gu, '');
}

/** How well a name fits: whole, from its beginning, a word's beginning, within; 0 if not at all. */
function fit(text: string, wanted: string): number {
  const at = text.indexOf(wanted);
  if (at < 0) return 0;
  if (at === 0) return text.length === wanted.length ? 10 : 6;
  return /[\s_-]/.test(text[at - 1] ?? '') ? 4 : wanted.length > 2 ? 1 : 0;
}

const within = (text: string, wanted: string): number => (text === wanted ? 10 : text.startsWith(wanted) ? 6 : text.includes(wanted) ? 4 : 0);

function score(emoji: Emoji, wanted: string): number {
  let best = 0;
  for (const [i, code] of emoji.codes.entries()) best = Math.max(best, fit(code, wanted) * (i === 0 ? 1.3 : 1.2));
  best = Math.max(best, fit(emoji.name.toLowerCase(), wanted), within(emoji.zh, wanted) * 1.4);
  for (const tag of emoji.tags) best = Math.max(best, fit(tag, wanted) * 0.7);
  for (const tag of emoji.zhTags) best = Math.max(best, within(tag, wanted) * 0.8);
  return best;
}

/** The emoji that all the words fit, in English or Chinese, the best first. The emoji itself may be searched for too. */
export function searchEmoji(all: readonly Emoji[], text: string, limit = 200): Emoji[] {
  const wanted = text.trim().toLowerCase().replace(/^:|:$/g, '').split(/[\s_]+/u).filter((word) => word !== '').slice(0, 8);
  if (wanted.length === 0) return [];
  const bare = withoutTone(text.trim());
  const found: { emoji: Emoji; points: number; order: number }[] = [];
  for (const [order, emoji] of all.entries()) {
    let points = 0;
    if (emoji.emoji === bare) points = 100;
    else {
      for (const word of wanted) {
        const one = score(emoji, word);
        if (one === 0) {
          points = 0;
          break;
        }
        points += one;
      }
      // The whole as typed may be a code with underscores.
      if (wanted.length > 1 && emoji.codes.includes(wanted.join('_'))) points += 20;
    }
    if (points > 0) found.push({ emoji, points, order });
  }
  found.sort((a, b) => b.points - a.points || a.order - b.order);
  return found.slice(0, limit).map(({ emoji }) => emoji);
}
