// Remembers, on this device, which emoji were used, and the skin tone.
import type { Tone } from './emoji';

/** So many are shown. */
export const MOST_RECENT = 24;
const MOST_KEPT = 64;
const RECENT_KEY = 'waxwing.emoji.recent';
const TONE_KEY = 'waxwing.emoji.tone';
/** How much weight an earlier use keeps with each use since. */
const FADING = 0.96;

/** Shown before anything was used. */
export const USUAL = ['👍', '❤️', '😂', '🎉', '🙏', '👀', '✅', '🚀'];

type Uses = [emoji: string, weight: number][];

/** Storage that may be forbidden, full, or filled by somebody else. */
function read(key: string): unknown {
  try {
    return JSON.parse(localStorage.getItem(key) ?? 'null');
  } catch {
    return null;
  }
}

function write(key: string, value: unknown): void {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Then it is not remembered.
  }
}

function uses(): Uses {
  const stored = read(RECENT_KEY);
  if (!Array.isArray(stored)) return [];
  return stored.filter((use): use is Uses[number] => Array.isArray(use) && typeof use[0] === 'string' && use[0].length <= 32 && Number.isFinite(use[1]));
}

/** The uses after one more: what is used often and lately comes first. */
export function used(before: Uses, emoji: string): Uses {
  const faded = before.filter(([other]) => other !== emoji).map(([other, weight]): Uses[number] => [other, weight * FADING]);
  const old = before.find(([other]) => other === emoji)?.[1] ?? 0;
  return [...faded, [emoji, old * FADING + 1] as Uses[number]].sort((a, b) => b[1] - a[1]).slice(0, MOST_KEPT);
}

/** What was used, and if that is not much, what people usually use. */
export function recentEmoji(): string[] {
  const mine = uses().map(([emoji]) => emoji);
  return [...mine, ...USUAL.filter((emoji) => !mine.includes(emoji))].slice(0, MOST_RECENT);
}

export function rememberEmoji(emoji: string): void {
  write(RECENT_KEY, used(uses(), emoji));
}

export function rememberedTone(): Tone {
  const stored = read(TONE_KEY);
  return stored === 1 || stored === 2 || stored === 3 || stored === 4 || stored === 5 ? stored : 0;
}

export function rememberTone(tone: Tone): void {
  write(TONE_KEY, tone);
}
