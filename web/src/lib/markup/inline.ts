// Parses the spans of one line: styling by the rules of XEP-0393 section 5.2, addresses, labelled links and mentions.
import { findLinks, safeHref, type FoundLink } from './links';
import type { Inline, Mention } from './types';

/** A whole text, and the mentions in it by offsets in UTF-16, in order and apart. */
export interface Source {
  text: string;
  mentions: { begin: number; end: number; mention: Mention }[];
}

const KINDS = { '*': 'strong', _: 'emphasis', '~': 'strike' } as const;
type Directive = keyof typeof KINDS | '`';
const DIRECTIVES = '*_~`';
const isDirective = (c: string): c is Directive => c !== '' && DIRECTIVES.includes(c);

/** White_Space and category Z, as the specification defines it. */
const WHITESPACE = /[\s\p{Z}\u0085]/u;
const isWhitespace = (c: string): boolean => WHITESPACE.test(c);

/** A label of a link that is itself written like an address. */
const LIKE_ADDRESS = /^\s*(?:[a-z][a-z0-9+.-]*:|www\.|[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+(?:[/:?#]|\s*$))/iu;

interface LabelledLink extends FoundLink {
  labelEnd: number;
}

/** What is taken as a whole on a line, by where it begins. */
interface Line {
  source: Source;
  mentions: Map<number, Source['mentions'][number]>;
  links: Map<number, FoundLink | LabelledLink>;
  /** For each directive, and each offset from `begin`: where the next one stands that may close a span. */
  closers: Record<Directive, Int32Array>;
  begin: number;
}

/** The first mention that ends after an offset. */
function firstMention(mentions: Source['mentions'], offset: number): number {
  let low = 0;
  let high = mentions.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((mentions[middle]?.end ?? 0) <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

function lineOf(source: Source, begin: number, end: number): Line {
  const { text } = source;
  const mentions: Line['mentions'] = new Map();
  const hidden = new Uint8Array(end - begin);
  for (let i = firstMention(source.mentions, begin); i < source.mentions.length; i += 1) {
    const mention = source.mentions[i];
    if (!mention || mention.begin >= end) break;
    if (mention.begin < begin || mention.end > end) continue;
    mentions.set(mention.begin, mention);
    hidden.fill(1, mention.begin - begin, mention.end - begin);
  }
  const closers = { '*': new Int32Array(0), _: new Int32Array(0), '~': new Int32Array(0), '`': new Int32Array(0) };
  for (const directive of DIRECTIVES) {
    if (!isDirective(directive)) continue;
    const first = text.indexOf(directive, begin);
    if (first < 0 || first >= end) continue;
    const next = new Int32Array(end - begin + 1);
    let closer = -1;
    next[end - begin] = closer;
    for (let i = end - 1; i >= begin; i -= 1) {
      if (text[i] === directive && hidden[i - begin] === 0 && i > begin && !isWhitespace(text[i - 1] ?? '')) closer = i;
      next[i - begin] = closer;
    }
    closers[directive] = next;
  }
  const links: Line['links'] = new Map();
  const addresses = findLinks(text, begin, end);
  for (const link of addresses) links.set(link.begin, link);
  for (const link of labelledLinks(text, begin, end, addresses)) links.set(link.begin, link);
  return { source, mentions, links, closers, begin };
}

/** Links written as [label](address). One whose label looks like another address is left as it is written. */
function labelledLinks(text: string, begin: number, end: number, addresses: readonly FoundLink[]): LabelledLink[] {
  const found: LabelledLink[] = [];
  for (const address of addresses) {
    const round = text[address.begin - 1] === '(' && text[address.begin - 2] === ']' && text[address.end] === ')' && address.end < end;
    if (!round) continue;
    const labelEnd = address.begin - 2;
    const floor = Math.max(begin, found.at(-1)?.end ?? begin, labelEnd - 300);
    let open = labelEnd - 1;
    while (open >= floor && text[open] !== '[' && text[open] !== ']') open -= 1;
    if (open < floor || text[open] !== '[' || open + 1 >= labelEnd) continue;
    const label = text.slice(open + 1, labelEnd);
    if (label.trim() === '' || LIKE_ADDRESS.test(label) || !safeHref(address.href)) continue;
    found.push({ begin: open, end: address.end + 1, labelEnd, href: address.href, host: address.host });
  }
  return found;
}

/** Where the span that opens here closes, or -1 if none opens here. */
function closing(line: Line, at: number, begin: number, end: number, afterOpening: string): number {
  const { text } = line.source;
  const directive = text[at] ?? '';
  if (!isDirective(directive)) return -1;
  const before = text[at - 1] ?? '';
  const mayOpen = at === line.begin || (at > begin && isWhitespace(before)) || (at === begin && afterOpening !== '' && afterOpening !== directive);
  if (!mayOpen) return -1;
  const following = text[at + 1] ?? '';
  // A directive directly after itself has no text to enclose.
  if (at + 1 >= end || following === directive || isWhitespace(following)) return -1;
  const close = line.closers[directive][at + 1 - line.begin] ?? -1;
  return close > at + 1 && close < end ? close : -1;
}

function spans(line: Line, begin: number, end: number, afterOpening: string, withinLink: boolean): Inline[] {
  const { text } = line.source;
  const out: Inline[] = [];
  let plainFrom = begin;
  const flush = (to: number): void => {
    if (to > plainFrom) out.push({ kind: 'text', text: text.slice(plainFrom, to) });
  };
  let at = begin;
  while (at < end) {
    const mention = line.mentions.get(at);
    if (mention && mention.end <= end) {
      flush(at);
      out.push({ kind: 'mention', text: text.slice(at, mention.end), mention: mention.mention });
      at = plainFrom = mention.end;
      continue;
    }
    const link = withinLink ? undefined : line.links.get(at);
    if (link && link.end <= end) {
      flush(at);
      out.push(...linkSpans(line, link));
      at = plainFrom = link.end;
      continue;
    }
    const close = closing(line, at, begin, end, afterOpening);
    if (close < 0) {
      at += 1;
      continue;
    }
    flush(at);
    const directive = text[at] as Directive;
    if (directive === '`') {
      out.push({ kind: 'code', text: text.slice(at + 1, close), mark: directive });
    } else {
      const mark: Inline = { kind: 'mark', text: directive };
      out.push({ kind: KINDS[directive], children: [mark, ...spans(line, at + 1, close, directive, withinLink), mark] });
    }
    at = plainFrom = close + 1;
  }
  flush(end);
  return out;
}

function linkSpans(line: Line, link: FoundLink | LabelledLink): Inline[] {
  const { text } = line.source;
  const { href, host } = link;
  if (!('labelEnd' in link)) return [{ kind: 'link', href, host, children: [{ kind: 'text', text: text.slice(link.begin, link.end) }] }];
  return [
    { kind: 'mark', text: '[' },
    { kind: 'link', href, host, children: spans(line, link.begin + 1, link.labelEnd, '[', true) },
    { kind: 'mark', text: text.slice(link.labelEnd, link.end) },
  ];
}

/** The spans between two offsets, which stand on one line. */
export function inlines(source: Source, begin: number, end: number): Inline[] {
  return begin >= end ? [] : spans(lineOf(source, begin, end), begin, end, '', false);
}
