// The initials and the colour that stand for an address without a picture.

/** How many --avatar-N colours the tokens hold. */
export const AVATAR_COLOURS = 8;

/** A colour that is the same for an address on every device. */
export function colourOf(address: string): number {
  let hash = 0x811c9dc5;
  for (const c of address.toLowerCase()) hash = Math.imul(hash ^ (c.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  // The low bits of this hash mix worst.
  return ((hash ^ (hash >>> 15)) >>> 0) % AVATAR_COLOURS;
}

const CJK = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u;

/** At most two letters: of the first and last word, or the last two characters of a name in Han characters, as is the custom there. */
export function initialsOf(name: string): string {
  const words = name
    .split(/[\s._\-@/]+/u)
    .map((word) => word.replace(/[^\p{L}\p{N}]/gu, ''))
    .filter((word) => word !== '');
  const first = words[0];
  if (first === undefined) return '?';
  const letters = [...first];
  if (CJK.test(first)) return letters.length > 2 ? letters.slice(-2).join('') : first;
  const last = words.length > 1 ? words.at(-1) : undefined;
  const second = last === undefined ? '' : ([...last][0] ?? '');
  return ((letters[0] ?? '') + second).toLocaleUpperCase();
}
