// Finds addresses of pages, mail and XMPP entities in text, and says which may be followed.

export interface FoundLink {
  begin: number;
  end: number;
  href: string;
  host: string;
}

const SCHEMES = new Set(['http:', 'https:', 'mailto:', 'xmpp:']);

/** Nothing longer is an address; it also keeps the search linear when many beginnings lead nowhere. */
const LONGEST = 2048;

const BEGINNING = /https?:\/\/|mailto:|xmpp:/gi;

// Ends an address: white space, controls and what turns the direction round, quotes and angle brackets, the punctuation and full-width forms of Chinese and
// Japanese, and scripts written without spaces, which follow an address directly.
const STOP = /[\s\p{Cc}\p{Cf}<>"`{}|\\^\u2018-\u201f\u2026\u3000-\u303f\ufe30-\ufe4f\uff00-\uffef\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u;
// The same, but for the host of an internationalised name, where Han letters are the name.
const STOP_HOST = /[\s\p{Cc}\p{Cf}<>"`{}|\\^\u2018-\u201f\u2026\u3000-\u303f\ufe30-\ufe4f\uff00-\uffef]/u;

const TRAILING = new Set([...'.,;:!?\'*_~…']);
const OPENING: Record<string, string> = { ')': '(', ']': '[' };

/** The address to follow, if it is one of the schemes that are safe to follow. */
export function safeHref(address: string): { href: string; host: string } | undefined {
  if (address.length > LONGEST || STOP_HOST.test(address)) return undefined;
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return undefined;
  }
  if (!SCHEMES.has(url.protocol)) return undefined;
  if (url.protocol === 'http:' || url.protocol === 'https:') {
    // A name before the host exists to deceive: https://bank.example@evil.example
    if (!url.host || url.username || url.password) return undefined;
    return { href: url.href, host: url.host };
  }
  const target = url.pathname.replace(/^\/+/, '');
  if (!target) return undefined;
  return { href: url.href, host: target };
}

/** Where a file may be fetched from: this server or a page elsewhere, and nothing that could be a program. */
export function safeFile(address: string): string | undefined {
  if (/^\/(?![/\\])/.test(address)) return address;
  const href = safeHref(address)?.href;
  return href !== undefined && /^https?:/.test(href) ? href : undefined;
}

function endOf(text: string, begin: number, schemeEnd: number, limit: number): number {
  const last = Math.min(limit, begin + LONGEST);
  const first = text.codePointAt(schemeEnd);
  let stop = first !== undefined && first > 127 ? STOP_HOST : STOP;
  let end = schemeEnd;
  while (end < last) {
    const point = String.fromCodePoint(text.codePointAt(end) ?? 0);
    if (point === '/' || point === '?' || point === '#') stop = STOP;
    if (stop.test(point)) break;
    end += point.length;
  }
  return Math.min(end, last);
}

/** Leaves out the punctuation and the closing brackets that belong to the sentence round the address. */
function trimmed(text: string, begin: number, end: number): number {
  const open: Record<string, number> = { '(': 0, '[': 0, ')': 0, ']': 0 };
  for (let i = begin; i < end; i += 1) {
    const c = text[i] ?? '';
    if (c in open) open[c] = (open[c] ?? 0) + 1;
  }
  while (end > begin) {
    const c = text[end - 1] ?? '';
    const opening = OPENING[c];
    if (opening !== undefined) {
      if ((open[c] ?? 0) <= (open[opening] ?? 0)) break;
      open[c] = (open[c] ?? 0) - 1;
    } else if (!TRAILING.has(c)) break;
    end -= 1;
  }
  return end;
}

/** The addresses in a part of the text, in order and apart from each other. */
export function findLinks(text: string, begin = 0, end = text.length): FoundLink[] {
  const found: FoundLink[] = [];
  const pattern = new RegExp(BEGINNING);
  pattern.lastIndex = begin;
  for (let match = pattern.exec(text); match && match.index < end; match = pattern.exec(text)) {
    const at = match.index;
    const schemeEnd = at + match[0].length;
    if (schemeEnd >= end) break;
    if (at > begin && /[A-Za-z0-9+.-]/.test(text[at - 1] ?? '')) continue;
    const stop = trimmed(text, schemeEnd, endOf(text, at, schemeEnd, end));
    if (stop <= schemeEnd) continue;
    const safe = safeHref(text.slice(at, stop));
    if (!safe) continue;
    found.push({ begin: at, end: stop, ...safe });
    pattern.lastIndex = stop;
  }
  return found;
}
