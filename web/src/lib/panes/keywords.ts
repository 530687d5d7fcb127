// The words that one is told of wherever they are said.

export const MOST_KEYWORDS = 50;
const LONGEST = 64;

/** The words with those added that were typed, apart at commas or lines: each once, whatever its case. */
export function withKeywords(before: readonly string[], typed: string): string[] {
  const all = [...before];
  const have = new Set(before.map((word) => word.toLocaleLowerCase()));
  for (const part of typed.split(/[,，;；、\n]/u)) {
    const word = [...part.trim().replace(/\s+/gu, ' ')].slice(0, LONGEST).join('');
    const key = word.toLocaleLowerCase();
    if (word === '' || have.has(key) || all.length >= MOST_KEYWORDS) continue;
    have.add(key);
    all.push(word);
  }
  return all;
}
