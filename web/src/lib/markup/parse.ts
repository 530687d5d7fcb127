// Parses the text of a message: XEP-0393 1.1.1 (Message Styling), and beyond it lists, tables, links and mentions.
import { inlines, type Source } from './inline';
import type { Alignment, Block, Inline, Item, List, Mention, Table } from './types';

/** A line without its line break, as a part of the whole text. */
interface Line {
  begin: number;
  end: number;
}

/** Deeper quotations are shown as text: nobody reads them, and depth costs the browser its stack. */
const DEEPEST_QUOTE = 8;
const DEEPEST_LIST = 8;
const MOST_COLUMNS = 32;

const WHITESPACE = /[\s\p{Z}]/u;

/** Where code points begin and end, as offsets in UTF-16, for the ranges of mentions that make sense. */
function mentionRanges(text: string, mentions: readonly Mention[]): Source['mentions'] {
  if (mentions.length === 0) return [];
  const sorted = mentions
    .filter((m) => Number.isInteger(m.begin) && Number.isInteger(m.end) && m.begin >= 0 && m.end > m.begin)
    .sort((a, b) => a.begin - b.begin || b.end - a.end);
  const ranges: Source['mentions'] = [];
  let unit = 0;
  let point = 0;
  const advance = (to: number): boolean => {
    while (point < to && unit < text.length) {
      unit += (text.codePointAt(unit) ?? 0) > 0xffff ? 2 : 1;
      point += 1;
    }
    return point === to;
  };
  for (const mention of sorted) {
    if (mention.begin < point) continue;
    if (!advance(mention.begin)) break;
    const begin = unit;
    if (!advance(mention.end)) break;
    ranges.push({ begin, end: unit, mention });
  }
  return ranges;
}

function linesOf(text: string): Line[] {
  const lines: Line[] = [];
  let begin = 0;
  for (;;) {
    const at = text.indexOf('\n', begin);
    if (at < 0) break;
    lines.push({ begin, end: at });
    begin = at + 1;
  }
  lines.push({ begin, end: text.length });
  return lines;
}

const content = (source: Source, line: Line): string => source.text.slice(line.begin, line.end);
/** A carriage return before the line break belongs to the break. */
const bare = (source: Source, line: Line): string => content(source, line).replace(/\r$/, '');

function originalLines(source: Source, lines: readonly Line[], from: number, to: number): string {
  return lines.slice(from, to).map((line) => content(source, line)).join('\n');
}

/** "```" begins it; a line of nothing but "```", or the end of what it stands in, ends it (section 5.1.2). */
function codeBlock(source: Source, lines: readonly Line[], from: number): { block: Block; next: number } {
  const first = lines[from] as Line;
  const language = bare(source, first).slice(3).trim();
  let to = from + 1;
  while (to < lines.length && bare(source, lines[to] as Line) !== '```') to += 1;
  const next = Math.min(lines.length, to + 1);
  return { block: { kind: 'code', language, text: originalLines(source, lines, from + 1, to), source: originalLines(source, lines, from, next) }, next };
}

/** Lines that begin with ">", without it and the first white space after it (section 5.1.3). */
function quote(source: Source, lines: readonly Line[], from: number, depth: number): { block: Block; next: number } {
  const inside: Line[] = [];
  let next = from;
  for (; next < lines.length; next += 1) {
    const line = lines[next] as Line;
    if (source.text[line.begin] !== '>' || line.begin >= line.end) break;
    let begin = line.begin + 1;
    if (begin < line.end && WHITESPACE.test(source.text[begin] ?? '')) begin += 1;
    inside.push({ begin, end: line.end });
  }
  return { block: { kind: 'quote', blocks: blocksOf(source, inside, depth + 1), source: originalLines(source, lines, from, next) }, next };
}

const BULLET = /^([ \t]*)([-*+\u2022]|\d{1,9}[.)])[ \t]+(?=\S)/;

interface Bullet {
  indent: number;
  mark: string;
  number?: number;
}

function bulletOf(source: Source, line: Line): Bullet | undefined {
  const match = BULLET.exec(source.text.slice(line.begin, Math.min(line.end, line.begin + 256)));
  if (!match) return undefined;
  const [mark, space = '', sign = ''] = match;
  const indent = [...space].reduce((width, c) => width + (c === '\t' ? 4 : 1), 0);
  return /\d/.test(sign) ? { indent, mark, number: Number.parseInt(sign, 10) } : { indent, mark };
}

/** Consecutive lines that begin with a bullet or a number; what is indented further belongs to the item above. */
function lists(source: Source, lines: readonly Line[], from: number): { blocks: List[]; next: number } {
  const top: List[] = [];
  const open: { indent: number; lists: List[] }[] = [];
  let next = from;
  for (; next < lines.length; next += 1) {
    const line = lines[next] as Line;
    const bullet = bulletOf(source, line);
    if (!bullet) break;
    while (open.length > 1 && bullet.indent < (open.at(-1)?.indent ?? 0)) open.pop();
    const level = open.at(-1);
    let into: List[];
    if (!level) {
      open.push({ indent: bullet.indent, lists: top });
      into = top;
    } else if (bullet.indent >= level.indent + 2 && open.length < DEEPEST_LIST) {
      into = level.lists.at(-1)?.items.at(-1)?.lists ?? top;
      open.push({ indent: bullet.indent, lists: into });
    } else {
      into = level.lists;
    }
    const item: Item = { mark: bullet.mark, content: inlines(source, line.begin + bullet.mark.length, line.end), lists: [] };
    if (bullet.number !== undefined) item.number = bullet.number;
    const ordered = bullet.number !== undefined;
    const last = into.at(-1);
    if (last?.ordered === ordered) last.items.push(item);
    else into.push({ kind: 'list', ordered, items: [item] });
  }
  return { blocks: top, next };
}

/** The cells of a row, apart at each "|" that no backslash and no code span hides. */
function cellsOf(source: Source, line: Line): Line[] {
  const { text } = source;
  let { begin, end } = line;
  while (begin < end && WHITESPACE.test(text[begin] ?? '')) begin += 1;
  while (end > begin && WHITESPACE.test(text[end - 1] ?? '')) end -= 1;
  if (text[begin] === '|') begin += 1;
  if (end > begin && text[end - 1] === '|' && text[end - 2] !== '\\') end -= 1;
  const cells: Line[] = [];
  let start = begin;
  for (let i = begin; i <= end; i += 1) {
    if (i < end && (text[i] !== '|' || text[i - 1] === '\\')) continue;
    let from = start;
    let to = i;
    while (from < to && WHITESPACE.test(text[from] ?? '')) from += 1;
    while (to > from && WHITESPACE.test(text[to - 1] ?? '')) to -= 1;
    cells.push({ begin: from, end: to });
    start = i + 1;
  }
  return cells;
}

/** The alignments that the line below the head of a table gives, if it is such a line. */
function alignmentsOf(source: Source, line: Line): Alignment[] | undefined {
  const text = content(source, line);
  if (text.length > 1024 || !text.includes('|') || !/^[\s|:-]+$/.test(text)) return undefined;
  const alignments: Alignment[] = [];
  for (const cell of cellsOf(source, line)) {
    const dashes = content(source, cell);
    if (!/^:?-+:?$/.test(dashes)) return undefined;
    alignments.push(dashes.endsWith(':') ? (dashes.startsWith(':') ? 'center' : 'end') : 'start');
  }
  return alignments.length > MOST_COLUMNS ? undefined : alignments;
}

function cell(source: Source, at: Line | undefined): Inline[] {
  return at ? inlines(source, at.begin, at.end) : [];
}

/** A head, a line of dashes with as many columns, and rows for as long as lines hold a "|". */
function table(source: Source, lines: readonly Line[], from: number): { block: Table; next: number } | undefined {
  const second = lines[from + 1];
  const first = lines[from];
  if (!first || !second) return undefined;
  if (!content(source, first).includes('|')) return undefined;
  const alignments = alignmentsOf(source, second);
  if (!alignments) return undefined;
  const head = cellsOf(source, first);
  if (head.length !== alignments.length) return undefined;
  const rows: Inline[][][] = [];
  let next = from + 2;
  for (; next < lines.length; next += 1) {
    const line = lines[next] as Line;
    if (!content(source, line).includes('|')) break;
    const cells = cellsOf(source, line);
    if (cells.length > alignments.length) break;
    rows.push(alignments.map((_, column) => cell(source, cells[column])));
  }
  return { block: { kind: 'table', alignments, head: head.map((at) => cell(source, at)), rows, source: originalLines(source, lines, from, next) }, next };
}

function blocksOf(source: Source, lines: readonly Line[], depth: number): Block[] {
  const blocks: Block[] = [];
  let plainContent: Inline[] | undefined;
  let at = 0;
  const add = (block: Block): void => {
    plainContent = undefined;
    blocks.push(block);
  };
  while (at < lines.length) {
    const line = lines[at] as Line;
    const filled = line.end > line.begin;
    if (filled && source.text.startsWith('```', line.begin) && line.begin + 3 <= line.end) {
      const { block, next } = codeBlock(source, lines, at);
      add(block);
      at = next;
      continue;
    }
    if (filled && source.text[line.begin] === '>' && depth < DEEPEST_QUOTE) {
      const { block, next } = quote(source, lines, at, depth);
      add(block);
      at = next;
      continue;
    }
    if (filled && bulletOf(source, line)) {
      const { blocks: found, next } = lists(source, lines, at);
      found.forEach(add);
      at = next;
      continue;
    }
    const found = filled ? table(source, lines, at) : undefined;
    if (found) {
      add(found.block);
      at = found.next;
      continue;
    }
    const spans = inlines(source, line.begin, line.end);
    if (plainContent) plainContent.push({ kind: 'text', text: '\n' }, ...spans);
    else {
      plainContent = spans;
      blocks.push({ kind: 'lines', content: plainContent });
    }
    at += 1;
  }
  return blocks;
}

/** What was parsed last: a message is shown, and read aloud, from the same text. */
const recent = new Map<string, Block[]>();
const RECENT_KEPT = 64;
const RECENT_LENGTH = 4_000;

/** The blocks of a text. Never throws; takes time linear in the length of the text, whatever stands in it. */
export function parse(text: string, mentions: readonly Mention[] = []): readonly Block[] {
  if (text === '') return [];
  if (mentions.length > 0 || text.length > RECENT_LENGTH) return parsed(text, mentions);
  let blocks = recent.get(text);
  if (!blocks) {
    blocks = parsed(text, mentions);
    recent.set(text, blocks);
    const [oldest] = recent.keys();
    if (recent.size > RECENT_KEPT && oldest !== undefined) recent.delete(oldest);
  }
  return blocks;
}

function parsed(text: string, mentions: readonly Mention[]): Block[] {
  const source: Source = { text, mentions: mentionRanges(text, mentions) };
  return blocksOf(source, linesOf(text), 0);
}
