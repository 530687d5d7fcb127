// Keys that work everywhere on the page.
import { tick } from 'svelte';
import { t } from '$lib/i18n';
import { focusables, toast } from '$lib/ui';
import type { Conversation } from '$lib/api';
import { isWaiting } from '$lib/state/conversations.svelte';
import { session, ui } from './app.svelte';
import { focusComposer } from './message-keys';

/** In the order in which F6 goes through them. */
const REGIONS = ['sidebar', 'header', 'timeline', 'composer', 'panel', 'rail'] as const;

export function handleKeys(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing) return;
  const command = (event.ctrlKey || event.metaKey) && !event.altKey;
  if (document.querySelector('dialog[open]')) return;
  if (!command && !event.altKey && isFree(event.target) && singleKey(event)) {
    event.preventDefault();
    return;
  }
  if (command && !event.shiftKey && event.key.toLowerCase() === 'k') {
    event.preventDefault();
    ui.dialog = 'switcher';
  } else if (command && (event.key === '/' || event.key === '?')) {
    event.preventDefault();
    ui.dialog = 'help';
  } else if (command && event.key === ',') {
    event.preventDefault();
    ui.dialog = 'settings';
  } else if (command && !event.shiftKey && event.key.toLowerCase() === 'f' && ui.conversation !== undefined) {
    event.preventDefault();
    search();
  } else if (event.key === 'F6') {
    event.preventDefault();
    nextRegion(event.shiftKey ? -1 : 1);
  } else if (event.altKey && !command && (event.key === 'ArrowUp' || event.key === 'ArrowDown')) {
    event.preventDefault();
    nextConversation(event.key === 'ArrowUp' ? -1 : 1, event.shiftKey ? isWaiting : undefined);
  } else if (event.key === 'Escape' && ui.panel) {
    event.preventDefault();
    ui.setPanel(undefined);
    focusComposer();
  }
}

/** Whether a letter that is typed there is no part of a text and chooses nothing from what is open. */
function isFree(target: EventTarget | null): boolean {
  if (document.querySelector('.popover, [role="menu"]')) return false;
  return !(target instanceof HTMLElement && (target.isContentEditable || target.closest('input, textarea, select, [role="listbox"]')));
}

/** Does what a single key is for; says false where it is for nothing. */
function singleKey({ key, shiftKey }: KeyboardEvent): boolean {
  if (!session.preferences.singleKeys) return false;
  if (key === '/') return search();
  if (shiftKey) return false;
  if (key.toLowerCase() === 'n') return readNext(isWaiting);
  if (key.toLowerCase() === 'p') return readNext((c) => c.kind === 'direct' && isWaiting(c));
  return false;
}

/** Opens the search, of the conversation if there is one, and leads into its field. */
function search(): true {
  if (ui.panel?.kind !== 'search') ui.setPanel({ kind: 'search', text: '' });
  focusShown('[data-region="panel"] input');
  return true;
}

/** Opens the next conversation that waits, to be read and not to be written in: the same key leads on from there. */
function readNext(wanted: (conversation: Conversation) => boolean): true {
  ui.opensToRead = true;
  if (!nextConversation(1, wanted)) {
    ui.opensToRead = false;
    toast(t('toast.allRead'));
  }
  return true;
}

/** Gives the focus to something that the change which was just made shows. */
function focusShown(selector: string): void {
  void tick().then(() => document.querySelector<HTMLElement>(selector)?.focus());
}

/** Whether nothing that is shown has the focus. */
function isFocusLost(): boolean {
  const at = document.activeElement;
  return at === null || at === document.body || !at.checkVisibility();
}

/** Gives the focus to the first region in view, if what had it is gone: the form that somebody signed in with, a pane of a narrow page. */
export function keepFocus(): void {
  if (isFocusLost()) nextRegion(1);
}

/**
 * Gives the focus back to what was moved while it had it, a row that is sorted anew; where it is gone or hidden, to what is first beside it.
 * Whoever presses on something that takes no focus has none. The answer ends it.
 */
export function watchFocus(): () => void {
  let last: HTMLElement | undefined;
  let place: HTMLElement | null = null;
  let isWaiting = false;
  const note = ({ target }: FocusEvent): void => {
    if (!(target instanceof HTMLElement) || target === document.body) return;
    last = target;
    place = target.closest<HTMLElement>('dialog, [data-region]');
  };
  const forget = ({ target }: PointerEvent): void => {
    if (!last?.contains(target as Node)) last = undefined;
  };
  const restore = (): void => {
    isWaiting = false;
    if (!last || !isFocusLost()) return;
    if (!place?.isConnected || !place.checkVisibility()) {
      keepFocus();
      return;
    }
    const isThere = last.isConnected && last.checkVisibility();
    (isThere ? last : focusables(place)[0])?.focus({ preventScroll: true });
  };
  const observer = new MutationObserver(() => {
    if (isWaiting || !last) return;
    isWaiting = true;
    requestAnimationFrame(restore);
  });
  observer.observe(document.body, { subtree: true, childList: true, attributeFilter: ['hidden'] });
  document.addEventListener('focusin', note);
  document.addEventListener('pointerdown', forget, true);
  return () => {
    observer.disconnect();
    document.removeEventListener('focusin', note);
    document.removeEventListener('pointerdown', forget, true);
  };
}

function nextRegion(step: 1 | -1): void {
  const there = REGIONS.flatMap((name) => {
    const found = [...document.querySelectorAll<HTMLElement>(`[data-region="${name}"]`)].find((e) => e.checkVisibility());
    return found ? [found] : [];
  });
  const current = there.findIndex((r) => r.contains(document.activeElement));
  // The panel has a composer of its own: the innermost region counts.
  const region = there[(current + step + there.length) % there.length];
  if (!region) return;
  const reached = focusables(region);
  // What one goes on from, else what the region is for; a button that only changes what it shows is neither.
  const chosen = ['[aria-current="page"], article, textarea, input', '[data-conversation]', '.jump'].flatMap((wanted) => reached.find((e) => e.matches(wanted)) ?? [])[0];
  (chosen ?? reached[0] ?? region).focus();
}

/** Goes to the conversation above or below in the list, or to the next of those that are wanted; says whether there is another one. */
export function nextConversation(step: 1 | -1, wanted: (conversation: Conversation) => boolean = () => true): boolean {
  const links = [...document.querySelectorAll<HTMLElement>('[data-region="sidebar"] a[data-conversation]')];
  const addresses = links.map((l) => l.dataset.conversation ?? '');
  const current = addresses.indexOf(ui.conversation ?? '');
  const start = current < 0 && step < 0 ? 0 : current;
  for (let i = 1; i < addresses.length + (current < 0 ? 1 : 0); i++) {
    const at = (start + step * i + addresses.length * (i + 1)) % addresses.length;
    const address = addresses[at];
    const conversation = address === undefined ? undefined : session.conversations.get(address);
    if (conversation && wanted(conversation)) {
      ui.open(conversation.address);
      links[at]?.scrollIntoView({ block: 'nearest' });
      return true;
    }
  }
  return false;
}
