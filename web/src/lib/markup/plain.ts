// Turns a message's text into one line without styling, for lists, notifications and screen readers.
import { parse } from './parse';
import type { Block, Inline, Mention } from './types';

/** The preview of a message needs no more of it. */
const LONGEST = 2000;

function inlineText(spans: readonly Inline[]): string {
  let out = '';
  for (const span of spans) {
    if (span.kind === 'mark') continue;
    out += 'children' in span ? inlineText(span.children) : span.text;
  }
  return out;
}

function blockText(block: Block): string {
  switch (block.kind) {
    case 'lines':
      return inlineText(block.content);
    case 'code':
      return block.text;
    case 'quote':
      return block.blocks.map(blockText).join(' ');
    case 'list':
      return block.items.map((item) => [inlineText(item.content), ...item.lists.map(blockText)].join(' ')).join(' · ');
    case 'table':
      return [block.head, ...block.rows].map((row) => row.map(inlineText).join(' | ')).join(' · ');
  }
}

/** One line of plain text: no styling, no line breaks. Quotations are left out if anything else is said. */
export function plain(text: string, mentions: readonly Mention[] = []): string {
  const blocks = parse(text.length > LONGEST ? text.slice(0, LONGEST) : text, mentions);
  const said = blocks.filter((block) => block.kind !== 'quote');
  const line = (parts: readonly Block[]): string => parts.map(blockText).join(' ').replace(/\s+/gu, ' ').trim();
  return line(said) || line(blocks);
}
