// Shows a few words beside what the pointer rests on or the keyboard has focused.
import type { Attachment } from 'svelte/attachments';
import { putBeside, type Side } from './place';

export type { Side };

export interface Words {
  text: string;
  /** Keys that do the same. */
  keys?: string;
  side?: Side;
  /** Whether the words say more than the name of the element, and so are read aloud. */
  describes?: boolean;
}

/** How long the pointer rests before the words come; none if others were just shown. */
const REST_MS = 450;
const WARM_MS = 300;

let shown: HTMLElement | undefined;
let hiddenAt = 0;
let count = 0;

function element({ text, keys, describes }: Words, id: string): HTMLElement {
  const tip = document.createElement('div');
  tip.className = 'tooltip';
  tip.id = id;
  tip.setAttribute('role', 'tooltip');
  if (!describes) tip.setAttribute('aria-hidden', 'true');
  tip.append(text);
  if (keys) {
    const kbd = document.createElement('kbd');
    kbd.textContent = keys;
    tip.append(kbd);
  }
  if ('popover' in tip) tip.popover = 'manual';
  return tip;
}

function hide(): void {
  if (!shown) return;
  shown.remove();
  shown = undefined;
  hiddenAt = Date.now();
}

/** Attaches the words to an element: `{@attach tooltip({text})}`. */
export function tooltip(words: Words): Attachment<HTMLElement> {
  return (node) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const id = `tooltip-${(count += 1)}`;
    let mine: HTMLElement | undefined;

    const show = (): void => {
      if (!node.isConnected || node.getAttribute('aria-expanded') === 'true') return;
      hide();
      mine = shown = element(words, id);
      // Within a dialog it has to be in the dialog, because all else is inert then.
      (node.closest('dialog') ?? document.body).append(mine);
      if ('showPopover' in mine && mine.popover) mine.showPopover();
      putBeside(mine, node, { side: words.side ?? 'top', align: 'center', gap: 6 });
      if (words.describes) node.setAttribute('aria-describedby', id);
    };
    const leave = (): void => {
      clearTimeout(timer);
      if (words.describes) node.removeAttribute('aria-describedby');
      if (mine && mine === shown) hide();
    };
    const enter = (event: PointerEvent): void => {
      if (event.pointerType === 'touch') return;
      clearTimeout(timer);
      timer = setTimeout(show, Date.now() - hiddenAt < WARM_MS ? 0 : REST_MS);
    };
    const focus = (): void => {
      if (!node.matches(':focus-visible')) return;
      clearTimeout(timer);
      // What is read aloud has to be there at once; else what is just sliding in comes to rest first.
      if (words.describes) show();
      else timer = setTimeout(show, REST_MS);
    };
    const key = (event: KeyboardEvent): void => {
      if (event.key === 'Escape') leave();
    };
    node.addEventListener('pointerenter', enter);
    node.addEventListener('pointerleave', leave);
    node.addEventListener('pointerdown', leave);
    node.addEventListener('focus', focus);
    node.addEventListener('blur', leave);
    node.addEventListener('keydown', key);
    return () => {
      leave();
      node.removeEventListener('pointerenter', enter);
      node.removeEventListener('pointerleave', leave);
      node.removeEventListener('pointerdown', leave);
      node.removeEventListener('focus', focus);
      node.removeEventListener('blur', leave);
      node.removeEventListener('keydown', key);
    };
  };
}
