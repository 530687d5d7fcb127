// JSON-RPC over a WebSocket that comes back by itself: requests with timeouts, a pulse, and reconnecting with jittered waits.
import type { EndReason, Method, Params, Result, ServerEvent } from './types';

/** Where the connection stands. After `ended` nothing happens until somebody connects again. */
export type LinkState = 'idle' | 'connecting' | 'online' | 'offline' | 'ended';

/** The server has refused a request. */
export class Refused extends Error {
  override name = 'Refused';
  constructor(
    message: string,
    readonly condition: string,
    readonly field?: string,
  ) {
    super(message);
  }
}

/** There is no connection, or it broke before the answer came: the request may have been done or not. */
export class Disconnected extends Error {
  override name = 'Disconnected';
  constructor() {
    super('Not connected.');
  }
}

/** No answer came in time: the request may have been done or not. */
export class TimedOut extends Error {
  override name = 'TimedOut';
  constructor() {
    super('The server did not answer in time.');
  }
}

/** Whether asking again with the same words can help. */
export function isPassing(error: unknown): boolean {
  if (error instanceof Disconnected || error instanceof TimedOut) return true;
  return error instanceof Refused && ['internal', 'unavailable', 'limit_exceeded'].includes(error.condition);
}

export type Call = <M extends Method>(method: M, params: Params<M>) => Promise<Result<M>>;

/** As much of a WebSocket as is needed here, so that tests can stand in for it. */
export interface WebSocketLike {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string): void;
  close(): void;
}

export interface SocketOptions {
  create: () => WebSocketLike;
  /** Signs in and catches up on a connection that has just opened. */
  handshake: (call: Call) => Promise<void>;
  onstate: (state: LinkState, cause?: unknown) => void;
  onevent: (event: ServerEvent) => void;
  /** Whether what the handshake failed with will not go away by trying again. */
  isFinal: (error: unknown) => boolean;
  random?: () => number;
}

const REQUEST_TIMEOUT_MS = 20_000;
const OPEN_TIMEOUT_MS = 15_000;
const PULSE_MS = 25_000;
const PULSE_TIMEOUT_MS = 8_000;
/** A server that was away for a moment is tried again at once, one that was away for long is left in peace: the wait is at most this
    share of the time that the connection has been gone, so that nobody waits for much longer than the server was away. */
const WAIT_SHARE = 0.25;
const SHORTEST_WAIT_MS = 300;
const LONGEST_WAIT_MS = 30_000;
/** A server that has no room for all who come back at once is given this much time at least, each of them a share by chance. */
const CROWD_WAIT_MS = 4_000;

interface Pending {
  resolve: (value: never) => void;
  reject: (error: unknown) => void;
  timer: ReturnType<typeof setTimeout>;
}

/** Reasons after which a client may simply come back. */
const COME_BACK: EndReason[] = ['too_slow', 'shutdown'];

export class Socket {
  #state: LinkState = 'idle';
  #ws: WebSocketLike | undefined;
  #pending = new Map<number, Pending>();
  #nextId = 1;
  /** Since when there has been no connection. */
  #goneSince: number | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #pulse: ReturnType<typeof setInterval> | undefined;
  #heardAt = 0;
  /** When the next try happens, in milliseconds since the epoch; 0 when none is planned. */
  retryAt = 0;

  constructor(private readonly options: SocketOptions) {}

  get state(): LinkState {
    return this.#state;
  }

  /** Connects, and keeps connected from now on. */
  connect(): void {
    if (this.#state === 'connecting' || this.#state === 'online') return;
    this.#goneSince = undefined;
    this.#open();
  }

  /** Tries at once instead of waiting, or makes sure that a connection which seems alive is. */
  nudge(): void {
    if (this.#state === 'offline') this.#open();
    else if (this.#state === 'online') void this.#beat();
  }

  /** Closes for good. */
  end(cause?: unknown): void {
    this.#drop();
    this.#clearRetry();
    this.#become('ended', cause);
  }

  call: Call = (method, params) => {
    if (this.#state !== 'online') return Promise.reject(new Disconnected());
    return this.#request(method, params, REQUEST_TIMEOUT_MS);
  };

  #open(): void {
    this.#clearRetry();
    this.#become('connecting');
    let ws: WebSocketLike;
    try {
      ws = this.options.create();
    } catch (error) {
      this.#later(error);
      return;
    }
    this.#ws = ws;
    const tooSlow = setTimeout(() => this.#lost(ws), OPEN_TIMEOUT_MS);
    ws.onopen = () => {
      clearTimeout(tooSlow);
      void this.#greet(ws);
    };
    ws.onmessage = (event) => {
      if (ws === this.#ws && typeof event.data === 'string') this.#receive(event.data);
    };
    ws.onclose = () => {
      clearTimeout(tooSlow);
      this.#lost(ws);
    };
    ws.onerror = () => undefined;
  }

  async #greet(ws: WebSocketLike): Promise<void> {
    this.#heardAt = Date.now();
    try {
      await this.options.handshake((method, params) => this.#request(method, params, REQUEST_TIMEOUT_MS));
    } catch (error) {
      if (ws !== this.#ws) return;
      if (this.options.isFinal(error)) this.end(error);
      else this.#lost(ws, error);
      return;
    }
    if (ws !== this.#ws) return;
    this.#goneSince = undefined;
    this.#pulse = setInterval(() => {
      if (Date.now() - this.#heardAt >= PULSE_MS) void this.#beat();
    }, PULSE_MS);
    this.#become('online');
  }

  #request<M extends Method>(method: M, params: Params<M>, timeoutMs: number): Promise<Result<M>> {
    const ws = this.#ws;
    if (!ws) return Promise.reject(new Disconnected());
    const id = this.#nextId++;
    return new Promise<Result<M>>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new TimedOut());
      }, timeoutMs);
      this.#pending.set(id, { resolve, reject, timer });
      try {
        ws.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
      } catch {
        clearTimeout(timer);
        this.#pending.delete(id);
        reject(new Disconnected());
      }
    });
  }

  #receive(data: string): void {
    this.#heardAt = Date.now();
    const frame = JSON.parse(data) as {
      id?: number;
      method?: string;
      params?: ServerEvent;
      result?: unknown;
      error?: { message: string; data?: { condition?: string; field?: string } };
    };
    if (frame.method === 'event' && frame.params) {
      if (frame.params.type === 'ended' && !COME_BACK.includes(frame.params.reason)) {
        this.options.onevent(frame.params);
        this.end(frame.params.reason);
        return;
      }
      this.options.onevent(frame.params);
      return;
    }
    const waiting = frame.id === undefined ? undefined : this.#pending.get(frame.id);
    if (frame.id === undefined || !waiting) return;
    this.#pending.delete(frame.id);
    clearTimeout(waiting.timer);
    if (frame.error) {
      const { message, data: about } = frame.error;
      waiting.reject(new Refused(message, about?.condition ?? 'internal', about?.field));
    } else {
      waiting.resolve(frame.result as never);
    }
  }

  /** Asks for a sign of life; a connection that gives none is taken for lost. */
  async #beat(): Promise<void> {
    const ws = this.#ws;
    if (!ws) return;
    try {
      await this.#request('session.ping', {}, PULSE_TIMEOUT_MS);
    } catch (error) {
      if (error instanceof TimedOut) this.#lost(ws);
    }
  }

  #lost(ws: WebSocketLike, cause?: unknown): void {
    if (ws !== this.#ws) return;
    this.#drop();
    this.#later(cause);
  }

  #later(cause?: unknown): void {
    const random = this.options.random ?? Math.random;
    const now = Date.now();
    this.#goneSince ??= now;
    const share = Math.min(LONGEST_WAIT_MS, Math.max(SHORTEST_WAIT_MS, (now - this.#goneSince) * WAIT_SHARE));
    const isCrowd = cause instanceof Refused && cause.condition === 'unavailable';
    const wait = isCrowd ? Math.max(share, CROWD_WAIT_MS) * random() : share * (0.5 + random() / 2);
    this.retryAt = now + wait;
    this.#retry = setTimeout(() => this.#open(), wait);
    this.#become('offline', cause);
  }

  #drop(): void {
    const ws = this.#ws;
    this.#ws = undefined;
    clearInterval(this.#pulse);
    if (ws) {
      ws.onopen = ws.onmessage = ws.onclose = null;
      try {
        ws.close();
      } catch {
        // It is closed already.
      }
    }
    for (const waiting of this.#pending.values()) {
      clearTimeout(waiting.timer);
      waiting.reject(new Disconnected());
    }
    this.#pending.clear();
  }

  #clearRetry(): void {
    clearTimeout(this.#retry);
    this.retryAt = 0;
  }

  #become(state: LinkState, cause?: unknown): void {
    this.#state = state;
    this.options.onstate(state, cause);
  }
}
