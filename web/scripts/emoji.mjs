// Writes src/lib/emoji/data.txt from the Unicode data in the package emojibase-data: `node scripts/emoji.mjs`.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

/** Newer ones are missing from the fonts that many people have. */
const NEWEST_VERSION = 15.1;
const MOST_TAGS = 5;
const MOST_CHINESE_TAGS = 3;

const read = (path) => JSON.parse(readFileSync(fileURLToPath(new URL(`../node_modules/emojibase-data/${path}`, import.meta.url)), 'utf8'));
const english = read('en/data.json');
const chinese = new Map((read('zh/data.json')).map((entry) => [entry.hexcode, entry]));
const github = read('en/shortcodes/github.json');
const emojibase = read('en/shortcodes/emojibase.json');

/** emojibase's groups in its order; 2 holds the bare components, which are no emoji. */
const GROUPS = { 0: 'smileys', 1: 'people', 3: 'nature', 4: 'food', 5: 'travel', 6: 'activities', 7: 'objects', 8: 'symbols', 9: 'flags' };

const list = (names) => (names === undefined ? [] : Array.isArray(names) ? names : [names]);
const clean = (text) => text.replace(/[;,|#\n]/g, ' ').replace(/\s+/g, ' ').trim();

/** The same rule as `withTone` in emoji.ts; only where it holds is an emoji marked as having tones. */
function withTone(emoji, tone) {
  const [first = '', ...rest] = [...emoji];
  if (rest[0] === '\ufe0f') rest.shift();
  return first + String.fromCodePoint(0x1f3fa + tone) + rest.join('');
}

/** The form that Unicode recommends for interchange: without the selectors that emojibase adds where they change nothing. */
function qualified(emoji) {
  const bare = emoji.replace(/(\p{Emoji_Presentation})\ufe0f/gu, '$1');
  return /^\p{RGI_Emoji}$/v.test(bare) ? bare : emoji;
}

/** How many emoji share a tag: what is shared is what people search by. */
const shared = new Map();
for (const entry of english) for (const tag of entry.tags ?? []) shared.set(tag, (shared.get(tag) ?? 0) + 1);

const lines = [];
let group = '';
const kept = english.filter((entry) => entry.group !== undefined && GROUPS[entry.group] !== undefined && entry.version <= NEWEST_VERSION);
kept.sort((a, b) => (a.order ?? 0) - (b.order ?? 0));
for (const entry of kept) {
  const name = GROUPS[entry.group ?? -1] ?? '';
  if (name !== group) {
    group = name;
    lines.push(`#${group}`);
  }
  const emoji = qualified(entry.emoji);
  const zh = chinese.get(entry.hexcode);
  // A man or woman doing something is found as the person doing it is, just below: the tags are not repeated.
  const gendered = /^(?:man|woman|men|women)\b/.test(entry.label) && /\u200d/.test(emoji);
  const single = entry.skins?.filter((skin) => typeof skin.tone === 'number') ?? [];
  const toned = single.length === 5 && single.every((skin) => withTone(emoji, skin.tone) === qualified(skin.emoji));
  const label = clean(entry.label);
  // The names that people type, then other words; what a label says already is not said again, and Chinese searches with short words.
  const plainCode = label.toLowerCase().replace(/[^a-z0-9]+/g, '_').replace(/^_|_$/g, '');
  const codes = [...new Set([...list(github[entry.hexcode]), ...list(emojibase[entry.hexcode])])].filter((code, i) => i === 0 || !code.split('_').every((word) => label.toLowerCase().includes(word))).slice(0, gendered ? 1 : 3);
  const said = `${label} ${codes.join(' ')}`.toLowerCase();
  const tags = [...new Set((gendered ? [] : (entry.tags ?? [])).map((tag) => clean(tag.toLowerCase())))].filter((tag) => tag.length < 12 && !said.includes(tag) && !(tag.endsWith('ing') && said.includes(tag.slice(0, -3)))).sort((a, b) => (shared.get(b) ?? 0) - (shared.get(a) ?? 0)).slice(0, MOST_TAGS);
  const zhLabel = clean(zh?.label ?? '');
  const zhTags = [...new Set((gendered ? [] : (zh?.tags ?? [])).map(clean))].filter((tag) => tag.length < 6 && !zhLabel.includes(tag) && !/^[\x20-\x7e]*$/.test(tag) && !['人', '脸', '男人', '女人', '男', '女'].includes(tag)).sort((a, b) => a.length - b.length).slice(0, MOST_CHINESE_TAGS);
  // A code that is only the label with underscores need not be stored.
  const codeText = codes[0] === plainCode ? ['=', ...codes.slice(1)].join(',') : codes.join(',');
  lines.push([emoji + (toned ? '+' : ''), label, codeText, tags.join(','), zhLabel, zhTags.join(',')].join(';'));
}
const text = `${lines.join('\n')}\n`;
writeFileSync(fileURLToPath(new URL('../src/lib/emoji/data.txt', import.meta.url)), text);
console.log(`${kept.length} emoji, ${text.length} characters, ${gzipSync(text).length} bytes with gzip`);
