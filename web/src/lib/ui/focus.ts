// Keeps the keyboard focus where it belongs: within what is open, and back where it came from.

const FOCUSABLE =
  'a[href],button:not(:disabled),input:not(:disabled):not([type="hidden"]),select:not(:disabled),textarea:not(:disabled),audio[controls],video[controls],summary,[tabindex]:not([tabindex="-1"]),[contenteditable]:not([contenteditable="false"])';

/** What the Tab key reaches within an element, in order. */
export function focusables(within: Element): HTMLElement[] {
  return [...within.querySelectorAll<HTMLElement>(FOCUSABLE)].filter((e) => e.tabIndex >= 0 && e.getClientRects().length > 0);
}

/** Lets the Tab key go round within an element. */
export function keepTab(event: KeyboardEvent, within: Element): void {
  if (event.key !== 'Tab') return;
  const all = focusables(within);
  const first = all[0];
  const last = all.at(-1);
  if (!first || !last) {
    event.preventDefault();
    return;
  }
  const at = document.activeElement;
  if (event.shiftKey && (at === first || at === within)) {
    event.preventDefault();
    last.focus();
  } else if (!event.shiftKey && at === last) {
    event.preventDefault();
    first.focus();
  }
}

/** Remembers who has the focus; the answer gives it back, if it is not lost on purpose elsewhere by then. */
export function rememberFocus(): () => void {
  const before = document.activeElement;
  return () => {
    if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
  };
}

/** The place to which a key moves in a list of `count`, or undefined if the key does not move. Goes round at the ends. */
export function moved(key: string, at: number, count: number): number | undefined {
  if (count === 0) return undefined;
  switch (key) {
    case 'ArrowDown':
      return at < 0 ? 0 : (at + 1) % count;
    case 'ArrowUp':
      return at < 0 ? count - 1 : (at + count - 1) % count;
    case 'Home':
      return 0;
    case 'End':
      return count - 1;
    default:
      return undefined;
  }
}
