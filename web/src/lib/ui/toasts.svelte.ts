// The short notices at the edge of the page.

export interface Notice {
  id: number;
  text: string;
  kind: 'plain' | 'good' | 'alert';
  undo?: () => void;
  /** How many times the same was said in a row. */
  times: number;
}

/** More are not shown at once: the oldest goes. */
const MOST = 4;
const SHOWN_MS = 5000;
/** What can be undone, or went wrong, stays longer. */
const SHOWN_LONG_MS = 10_000;

let all = $state<Notice[]>([]);
let lastId = 0;
let held = false;
const timers = new Map<number, ReturnType<typeof setTimeout>>();

export function notices(): readonly Notice[] {
  return all;
}

function start(notice: Notice): void {
  clearTimeout(timers.get(notice.id));
  if (held) return;
  timers.set(
    notice.id,
    setTimeout(() => dismiss(notice.id), notice.undo || notice.kind === 'alert' ? SHOWN_LONG_MS : SHOWN_MS),
  );
}

/** Says something short. With `undo` there is a button that takes back what was done. The answer takes the notice away. */
export function toast(text: string, { undo, kind = 'plain' }: { undo?: () => void; kind?: Notice['kind'] } = {}): () => void {
  const last = all.at(-1);
  if (last && !undo && !last.undo && last.text === text && last.kind === kind) {
    last.times += 1;
    start(last);
    return () => dismiss(last.id);
  }
  lastId += 1;
  const notice: Notice = { id: lastId, text, kind, times: 1, ...(undo ? { undo } : {}) };
  all.push(notice);
  for (const old of all.slice(0, Math.max(0, all.length - MOST))) dismiss(old.id);
  start(notice);
  return () => dismiss(notice.id);
}

export function dismiss(id: number): void {
  clearTimeout(timers.get(id));
  timers.delete(id);
  all = all.filter((notice) => notice.id !== id);
  // What goes from under the pointer, or with the focus in it, tells nobody that they are gone.
  if (all.length === 0) held = false;
}

/** Whether the notices stay for now, because somebody reads them. */
export function hold(stay: boolean): void {
  held = stay;
  for (const notice of all) {
    if (stay) clearTimeout(timers.get(notice.id));
    else start(notice);
  }
}
