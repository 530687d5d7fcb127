// Mentions in what is being written: what is picked by name becomes ranges of code points when it is sent.
import type { Address, Mention } from '../api/types';

export interface Picked {
  kind: Mention['kind'];
  address?: Address;
  /** What stands in the text behind the @. */
  name: string;
}

function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/** Where in a text those who were picked are mentioned, in order; the longer of two names that fit wins. */
export function findMentions(text: string, picked: readonly Picked[]): Mention[] {
  const byLength = [...picked].sort((a, b) => b.name.length - a.name.length);
  const found: Mention[] = [];
  let at = text.indexOf('@');
  while (at >= 0) {
    const hit = byLength.find((p) => text.startsWith(p.name, at + 1) && isWordEnd(text, at + 1 + p.name.length));
    if (hit) {
      const begin = codePoints(text.slice(0, at));
      const end = begin + 1 + codePoints(hit.name);
      found.push({ kind: hit.kind, ...(hit.address === undefined ? {} : { address: hit.address }), begin, end });
    }
    at = text.indexOf('@', at + 1 + (hit?.name.length ?? 0));
  }
  return found;
}

function isWordEnd(text: string, at: number): boolean {
  const next = text.slice(at, at + 1);
  return next === '' || !/[a-z0-9_]/i.test(next);
}

/** A text in which rooms that were picked by name are links to them, which every client follows. */
export function linkRooms(text: string, rooms: readonly { name: string; address: Address }[]): string {
  const byLength = [...rooms].sort((a, b) => b.name.length - a.name.length);
  let linked = '';
  let at = 0;
  for (let hash = text.indexOf('#'); hash >= 0; hash = text.indexOf('#', at)) {
    const room = byLength.find((r) => text.startsWith(r.name, hash + 1) && isWordEnd(text, hash + 1 + r.name.length));
    const end = hash + 1 + (room?.name.length ?? 0);
    const isLinked = text[hash - 1] === '[';
    linked += text.slice(at, hash);
    linked += room && !isLinked ? `[#${room.name.replaceAll(/[[\]]/g, '')}](xmpp:${encodeURI(room.address)}?join)` : text.slice(hash, end);
    at = end;
  }
  return linked + text.slice(at);
}

/** Those who are mentioned in a text that was sent, so that they stay mentioned when it is changed. */
export function pickedIn(text: string, mentions: readonly Mention[]): Picked[] {
  const letters = [...text];
  return mentions.map((m) => ({
    kind: m.kind,
    ...(m.address === undefined ? {} : { address: m.address }),
    name: letters.slice(m.begin + 1, m.end).join(''),
  }));
}

/** The word before the cursor that begins with `sign`, if something is to be completed there. */
export function wordBefore(text: string, cursor: number, sign: '@' | ':' | '#'): { from: number; word: string } | undefined {
  const before = text.slice(0, cursor);
  const from = before.lastIndexOf(sign);
  if (from < 0) return undefined;
  const word = before.slice(from + 1);
  const previous = before.slice(0, from);
  if (previous !== '' && !/[\s([{，。、“‘]$/.test(previous) && !/[\u3400-\u9fff]$/.test(previous)) return undefined;
  if (word.length > 40 || /\n/.test(word)) return undefined;
  // A name may hold spaces, a name of an emoji may not.
  if (sign === ':' && (word.length < 2 || !/^[\p{L}\p{N}_+-]+$/u.test(word))) return undefined;
  if (sign !== ':' && (/^\s/.test(word) || word.split(' ').length > 3)) return undefined;
  return { from, word };
}
