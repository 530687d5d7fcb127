// The pseudo-language ar-XB: English turned round, to see that a page mirrors before there is a right-to-left translation.

const OVERRIDE = '\u202e';
const END = '\u202c';

/** Wraps every word, but not the {placeholders}, so that it is shown from right to left. */
export function mirrored(text: string): string {
  return text.replace(/\{[^{}]*\}|[^\s{}]+/gu, (part) => (part.startsWith('{') ? part : OVERRIDE + part + END));
}
