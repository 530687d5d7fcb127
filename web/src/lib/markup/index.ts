// The text of messages: parsed, shown (Markup.svelte), and as one plain line.
export { emojiOnly } from './jumbo';
export { findLinks, safeHref } from './links';
export { parse } from './parse';
export { plain } from './plain';
export type { Block, Inline, Mention } from './types';
