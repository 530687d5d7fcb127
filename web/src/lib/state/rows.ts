// What stands under each other in a timeline: messages in groups, lines between days, and the line before what is new.
import type { Address, Message, Position } from '../api/types';

/** Messages of one sender this close together stand under one name. */
const GROUP_US = 5 * 60 * 1_000_000;

export type Row =
  | { kind: 'day'; key: string; at_ms: number }
  | { kind: 'new'; key: string }
  | { kind: 'message'; key: string; message: Message; isFirst: boolean };

function dayOf(position: Position): number {
  return new Date(position / 1000).setHours(0, 0, 0, 0);
}

/** Whether a message stands under the name of the one before it. */
export function continues(before: Message | undefined, message: Message): boolean {
  return (
    before !== undefined &&
    before.kind === 'message' &&
    message.kind === 'message' &&
    before.from.address === message.from.address &&
    before.from.name === message.from.name &&
    message.position - before.position < GROUP_US &&
    message.reply_to === undefined
  );
}

/**
 * The rows of messages that follow each other. Before the first message of somebody else behind `newSince` stands the line
 * that says so. `isWhole` says that nothing lies before the first.
 */
export function rowsOf(messages: readonly Message[], newSince: Position | undefined, reader: Address): Row[] {
  const rows: Row[] = [];
  let before: Message | undefined;
  let dayBefore: number | undefined;
  let isNewShown = newSince === undefined;
  for (const message of messages) {
    const day = dayOf(message.position);
    let isFirst = !continues(before, message);
    if (day !== dayBefore) {
      rows.push({ kind: 'day', key: `day ${day}`, at_ms: message.position / 1000 });
      isFirst = true;
    }
    if (!isNewShown && message.position > (newSince ?? 0) && message.from.address !== reader) {
      isNewShown = true;
      // A window that begins behind the line does not show it anew at its top.
      if (before) rows.push({ kind: 'new', key: 'new' });
      isFirst = true;
    }
    rows.push({ kind: 'message', key: message.id, message, isFirst });
    before = message;
    dayBefore = day;
  }
  return rows;
}

/** The rows, as the objects that they were before where they say the same, so that nothing is drawn anew for them. */
export function unchanged(rows: readonly Row[], before: ReadonlyMap<string, Row>): Row[] {
  return rows.map((row) => {
    const known = before.get(row.key);
    if (known?.kind !== row.kind) return row;
    if (row.kind !== 'message' || known.kind !== 'message') return known;
    return known.message === row.message && known.isFirst === row.isFirst ? known : row;
  });
}
