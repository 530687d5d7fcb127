// The reader's own sections of the list, and the order within them.
import type { Conversation } from '../api/types';
import { collator } from '../i18n';

const GAP = 1024;

/** Those that were put somewhere by hand stand in that order, before the others by name. */
export function inOrder(conversations: readonly Conversation[]): Conversation[] {
  const { compare } = collator();
  return [...conversations].sort(
    (a, b) =>
      (a.settings.order ?? Infinity) - (b.settings.order ?? Infinity) || compare(a.name, b.name) || (a.address < b.address ? -1 : 1),
  );
}

/**
 * The orders to set so that a conversation stands before another, or last. Only what has to change is named: the one that
 * moves, and those that had no order yet and would stand wrong without one.
 */
export function moveBefore(shown: readonly Conversation[], moved: Conversation, before: Conversation | undefined): Map<string, number> {
  const others = shown.filter((c) => c.address !== moved.address);
  const at = before ? others.findIndex((c) => c.address === before.address) : others.length;
  const place = at < 0 ? others.length : at;
  const previous = others[place - 1]?.settings.order;
  const next = others[place]?.settings.order;
  const isFirst = place === 0;
  const hasPrevious = isFirst || previous !== undefined;
  if (hasPrevious && next !== undefined) {
    const low = previous ?? next - 2 * GAP;
    const middle = (low + next) / 2;
    if (middle > low && middle < next) return new Map([[moved.address, middle]]);
  }
  if (hasPrevious && next === undefined) return new Map([[moved.address, (previous ?? 0) + GAP]]);
  // Everything up to there gets an order.
  const orders = new Map<string, number>();
  const result = [...others.slice(0, place), moved];
  for (const [index, conversation] of result.entries()) {
    if (conversation === moved || conversation.settings.order !== (index + 1) * GAP) orders.set(conversation.address, (index + 1) * GAP);
  }
  for (const [index, conversation] of others.slice(place).entries()) {
    if (conversation.settings.order !== undefined) orders.set(conversation.address, (result.length + index + 1) * GAP);
  }
  return orders;
}
