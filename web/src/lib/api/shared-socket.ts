// A connection that a tab shares with the other tabs of the browser; it looks like a WebSocket of its own.
import { Crew } from './lead';
import type { WebSocketLike } from './socket';

export type FromTab = { type: 'lock'; lock: string } | { type: 'frame'; data: string } | { type: 'close' };
export type ToTab = { type: 'open' } | { type: 'frame'; data: string } | { type: 'close' };

/** By what tabs can share a connection here: a worker of all, or else, on some telephones, one of them that leads. Locks are there only on
    pages that came over TLS or from this machine; without, each tab has a connection of its own. */
function way(): 'worker' | 'lead' | 'none' {
  if (typeof navigator === 'undefined' || !('locks' in navigator)) return 'none';
  if (typeof SharedWorker !== 'undefined') return 'worker';
  return typeof BroadcastChannel === 'undefined' ? 'none' : 'lead';
}

class SharedSocket implements WebSocketLike {
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  #port: MessagePort;
  #release: (() => void) | undefined;
  #isClosed = false;

  constructor() {
    const worker = new SharedWorker(new URL('./hub-worker.ts', import.meta.url), { type: 'module', name: 'waxwing' });
    worker.onerror = () => this.#closed();
    this.#port = worker.port;
    this.#port.onmessage = ({ data }: MessageEvent<ToTab>) => {
      if (this.#isClosed) return;
      if (data.type === 'open') this.onopen?.(undefined as never);
      else if (data.type === 'frame') this.onmessage?.({ data: data.data });
      else this.#closed();
    };
    // Held until this tab is gone or closes; the worker waits for it.
    const lock = `waxwing-tab-${Math.random().toString(36).slice(2)}${Date.now().toString(36)}`;
    void navigator.locks.request(lock, () => {
      if (this.#isClosed) return undefined;
      this.#say({ type: 'lock', lock });
      return new Promise<void>((resolve) => (this.#release = resolve));
    });
  }

  send(data: string): void {
    if (this.#isClosed) throw new Error('The connection is closed.');
    this.#say({ type: 'frame', data });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#say({ type: 'close' });
    this.#closed();
  }

  #say(message: FromTab): void {
    this.#port.postMessage(message);
  }

  #closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#release?.();
    this.#port.close();
    this.onclose?.(undefined as never);
  }
}

let crew: Crew | undefined;

/** Opens a connection that is shared with the other tabs, or one of the tab's own where that cannot be. */
export function openShared(connect: () => WebSocketLike): WebSocketLike {
  switch (way()) {
    case 'worker':
      return new SharedSocket();
    case 'lead':
      crew ??= new Crew({
        channel: (name) => new BroadcastChannel(name),
        locks: navigator.locks,
        connect,
        isLookedAt: () => document.visibilityState === 'visible',
      });
      return crew.open();
    case 'none':
      return connect();
  }
}
