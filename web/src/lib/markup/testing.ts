// What the tests of the markup share: texts put back together from their trees, and random texts that come again with their seed.
import type { Block, Inline, List } from './types';

/** The text that some spans were written as. */
export function written(spans: readonly Inline[]): string {
  return spans
    .map((span) => {
      if ('children' in span) return written(span.children);
      return span.kind === 'code' ? span.mark + span.text + span.mark : span.text;
    })
    .join('');
}

const items = (list: List): string[] => list.items.flatMap((item) => [item.mark + written(item.content), ...item.lists.flatMap(items)]);

function source(block: Block): string {
  switch (block.kind) {
    case 'lines':
      return written(block.content);
    case 'list':
      return items(block).join('\n');
    default:
      return block.source;
  }
}

/** The text that some blocks were parsed from. */
export const original = (blocks: readonly Block[]): string => blocks.map(source).join('\n');

/** Numbers from 0 to below 1, the same for the same seed. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const PIECES = [
  '*', '_', '~', '`', '```', '>', '> ', '\n', '\n\n', ' ', '  ', '\t', '- ', '* ', '1. ', '2) ', '|', '---', ':-:', '\\', '[', ']', '(', ')', '](', '<', '&', '"', "'",
  'a', 'word', '中文', '，', '。', '（', '）', '😀', '👨‍👩‍👧', '\ud800', '\udc00', '\u202e', '\u00a0', '\r\n', 'https://example.org/a_b*c', 'http://', 'mailto:a@b.example', 'xmpp:a@b.example?join', 'javascript:alert(1)',
];

/** A text of pieces that mean something to the parser. */
export function randomText(next: () => number, pieces: number): string {
  let text = '';
  for (let i = 0; i < pieces; i += 1) text += PIECES[Math.floor(next() * PIECES.length)] ?? '';
  return text;
}

/** Processor time that this process has used, in milliseconds: what other programs do on the machine does not count. */
export function processorTime(): number {
  const { process } = globalThis as unknown as { process: { cpuUsage: () => { user: number; system: number } } };
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
