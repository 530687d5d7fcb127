// Marks where the words that were looked for stand in what was found, without touching the text itself.
import type { Attachment } from 'svelte/attachments';

const NAME = 'found';
/** So many places are marked at most. */
const MOST = 500;

/** What of a search is looked for in the text: no operators, no quotation marks, in lower case. */
export function wordsOf(search: string): string[] {
  const words = search.toLowerCase().replace(/["“”]/g, ' ').split(/\s+/u);
  return words.filter((word) => word !== '' && !/^-?(?:from|in|has|before|after|is|on):/.test(word));
}

/** Where the words stand in a text, as pairs of offsets. */
export function placesOf(text: string, words: readonly string[]): [number, number][] {
  const lower = text.toLowerCase();
  // Some letters are longer in lower case: then offsets would lie.
  if (lower.length !== text.length) return [];
  const places: [number, number][] = [];
  for (const word of words) {
    for (let at = lower.indexOf(word); at >= 0 && places.length < MOST; at = lower.indexOf(word, at + word.length)) places.push([at, at + word.length]);
  }
  return places;
}

/** Marks the words within an element, also in what comes into it later. */
export function markFound(search: string): Attachment<HTMLElement> {
  return (node) => {
    const words = wordsOf(search);
    if (words.length === 0 || typeof CSS === 'undefined' || !('highlights' in CSS)) return;
    const mark = (): void => {
      const ranges: Range[] = [];
      const texts = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
      for (let text = texts.nextNode(); text && ranges.length < MOST; text = texts.nextNode()) {
        if (!text.parentElement?.closest('.text')) continue;
        for (const [begin, end] of placesOf(text.nodeValue ?? '', words)) {
          const range = new Range();
          range.setStart(text, begin);
          range.setEnd(text, end);
          ranges.push(range);
        }
      }
      CSS.highlights.set(NAME, new Highlight(...ranges));
    };
    const changes = new MutationObserver(mark);
    changes.observe(node, { childList: true, characterData: true, subtree: true });
    mark();
    return () => {
      changes.disconnect();
      CSS.highlights.delete(NAME);
    };
  };
}
