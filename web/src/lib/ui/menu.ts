// What a menu offers.
import type { IconName } from './icons';

export interface MenuItem {
  label: string;
  icon?: IconName;
  danger?: boolean;
  disabled?: boolean;
  /** For an item that is on or off, or chosen among several. */
  checked?: boolean;
  /** Keys that do the same, shown beside it. */
  keys?: string;
  /** Whether a line parts it from what is above. */
  separated?: boolean;
  onselect: () => void;
}

/** The next item, after `from` and round, that begins with what was typed. */
export function typedAhead(items: readonly MenuItem[], from: number, typed: string): number {
  const start = typed.toLocaleLowerCase();
  for (let i = 1; i <= items.length; i += 1) {
    // One letter goes on to the next with it; more letters may stay where they are.
    const at = (from + i - (typed.length > 1 ? 1 : 0) + items.length) % items.length;
    if (items[at]?.label.toLocaleLowerCase().startsWith(start)) return at;
  }
  return -1;
}
