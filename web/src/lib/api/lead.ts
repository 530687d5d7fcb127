// One connection for all tabs where the browser has no shared workers: one tab leads and holds it, the others reach it over a channel.
//
// The tab that holds the lock leads. When it closes, the browser gives the lock to the next one, which says so; the others then come
// to that one. A leader that sleeps, because nobody looks at it, does not answer: a tab that is looked at takes the lock from it.
import { newId } from '../state/id';
import { Hub, type TabSide } from './hub';
import type { WebSocketLike } from './socket';

const LOCK = 'waxwing-lead';
const CHANNEL = 'waxwing-lead';
/** A leader that has not answered for so long sleeps, or is gone. */
const ANSWER_MS = 1_200;

/** What goes over the channel: to the leader with the number of a connection, from it back, or to all from whoever leads now. */
type Word =
  | { to: 'leader'; line: string; type: 'join'; lock: string }
  | { to: 'leader'; line: string; type: 'frame'; data: string }
  | { to: 'leader'; line: string; type: 'close' }
  | { to: 'line'; line: string; type: 'open' | 'close' }
  | { to: 'line'; line: string; type: 'frame'; data: string }
  | { to: 'all'; type: 'leads'; leader: string };

/** What of the browser is needed, so that tests can stand in for it. */
export interface Surroundings {
  channel: (name: string) => Pick<BroadcastChannel, 'postMessage' | 'close'> & { onmessage: ((event: MessageEvent) => void) | null };
  locks: Pick<LockManager, 'request'>;
  connect: () => WebSocketLike;
  isLookedAt: () => boolean;
}

/** This tab, as one of those that share a connection. */
export class Crew {
  readonly #id = newId();
  readonly #channel: ReturnType<Surroundings['channel']>;
  #hub: Hub | undefined;
  /** Connections of other tabs to the hub, while this one leads. */
  #others = new Map<string, TabSide>();
  /** Connections of this tab, by the number that they have on the channel. */
  #lines = new Map<string, LedSocket>();
  /** Settles once it is known whether this tab leads. */
  readonly #begun: Promise<void>;

  constructor(private readonly around: Surroundings) {
    this.#channel = around.channel(CHANNEL);
    this.#channel.onmessage = ({ data }: MessageEvent<Word>) => this.#hear(data);
    this.#begun = new Promise((resolve) => {
      around.locks
        .request(LOCK, { ifAvailable: true }, (lock) => {
          if (lock) return this.#lead(resolve);
          resolve();
          this.#queue();
          return undefined;
        })
        .catch(() => this.#lostLead());
    });
  }

  /** When the leader goes, one of those who wait is next. */
  #queue(): void {
    this.around.locks.request(LOCK, () => this.#lead()).catch(() => this.#lostLead());
  }

  get leads(): boolean {
    return this.#hub !== undefined;
  }

  /** Opens a connection by whoever leads. */
  open(): WebSocketLike {
    const line = newId();
    const socket = new LedSocket(() => this.#lines.delete(line));
    this.#lines.set(line, socket);
    void this.#begun.then(() => this.#connect(line, socket));
    return socket;
  }

  #connect(line: string, socket: LedSocket): void {
    if (socket.isClosed) return;
    if (this.#hub) {
      // As over a channel: nothing is answered before whoever asks is done.
      const later = (work: () => void): void => queueMicrotask(work);
      const side = this.#hub.join({
        open: () => later(() => socket.opened()),
        frame: (data) => later(() => socket.heard(data)),
        close: () => later(() => socket.lost()),
      });
      socket.carry({ frame: (data) => side.frame(data), close: () => side.close() });
      return;
    }
    socket.carry({
      frame: (data) => this.#say({ to: 'leader', line, type: 'frame', data }),
      close: () => this.#say({ to: 'leader', line, type: 'close' }),
    });
    const lock = `waxwing-tab-${line}`;
    // Held until this tab is gone or closes; the leader waits for it.
    void this.around.locks.request(lock, () => {
      if (socket.isClosed) return undefined;
      this.#say({ to: 'leader', line, type: 'join', lock });
      return socket.over;
    });
    setTimeout(() => {
      if (socket.isClosed || socket.isOpen) return;
      if (this.around.isLookedAt()) this.#takeOver();
      socket.lost();
    }, ANSWER_MS);
  }

  /** Takes the lead from a tab that sleeps. */
  #takeOver(): void {
    this.around.locks.request(LOCK, { steal: true }, () => this.#lead()).catch(() => this.#lostLead());
  }

  /** Another tab has taken over; this one waits for its turn again. */
  #lostLead(): void {
    this.#stopLeading();
    setTimeout(() => this.#queue(), ANSWER_MS);
  }

  /** Leads until the tab is gone, or another one takes over. */
  #lead(begun?: () => void): Promise<void> {
    this.#hub ??= new Hub(this.around.connect);
    begun?.();
    this.#say({ to: 'all', type: 'leads', leader: this.#id });
    this.#loseLines();
    return new Promise(() => undefined);
  }

  #stopLeading(): void {
    const hub = this.#hub;
    this.#hub = undefined;
    this.#others.clear();
    hub?.stop();
    this.#loseLines();
  }

  /** What led elsewhere leads nowhere any more: each opens anew. */
  #loseLines(): void {
    for (const socket of [...this.#lines.values()]) if (socket.isCarried) socket.lost();
  }

  #say(word: Word): void {
    this.#channel.postMessage(word);
  }

  #hear(word: Word): void {
    if (word.to === 'all') {
      if (word.leader === this.#id) return;
      if (this.#hub) this.#stopLeading();
      else this.#loseLines();
    } else if (word.to === 'line') {
      const socket = this.#lines.get(word.line);
      if (word.type === 'open') socket?.opened();
      else if (word.type === 'frame') socket?.heard(word.data);
      else socket?.lost();
    } else if (this.#hub) {
      this.#serve(word, this.#hub);
    }
  }

  /** Does for another tab what it asks of the leader. */
  #serve(word: Word & { to: 'leader' }, hub: Hub): void {
    const { line } = word;
    if (word.type === 'join') {
      const side = hub.join({
        open: () => this.#say({ to: 'line', line, type: 'open' }),
        frame: (data) => this.#say({ to: 'line', line, type: 'frame', data }),
        close: () => this.#say({ to: 'line', line, type: 'close' }),
      });
      this.#others.set(line, side);
      // A tab that is closed or dies says nothing, but lets go of its lock.
      void this.around.locks.request(word.lock, () => this.#leave(line));
    } else if (word.type === 'frame') {
      this.#others.get(line)?.frame(word.data);
    } else {
      this.#leave(line);
    }
  }

  #leave(line: string): void {
    this.#others.get(line)?.close();
    this.#others.delete(line);
  }
}

/** A connection by the leader; it looks like a WebSocket of its own. */
class LedSocket implements WebSocketLike {
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  isOpen = false;
  isClosed = false;
  #carrier: TabSide | undefined;
  #end: () => void = () => undefined;
  /** Settles when it is over. */
  readonly over = new Promise<void>((resolve) => (this.#end = resolve));

  constructor(private readonly onover: () => void) {}

  get isCarried(): boolean {
    return this.#carrier !== undefined;
  }

  carry(carrier: TabSide): void {
    this.#carrier = carrier;
  }

  opened(): void {
    if (this.isClosed || this.isOpen) return;
    this.isOpen = true;
    this.onopen?.(undefined as never);
  }

  heard(data: string): void {
    if (!this.isClosed) this.onmessage?.({ data });
  }

  lost(): void {
    if (this.#finish()) this.onclose?.(undefined as never);
  }

  send(data: string): void {
    if (this.isClosed) throw new Error('The connection is closed.');
    this.#carrier?.frame(data);
  }

  close(): void {
    if (this.#finish()) this.#carrier?.close();
  }

  #finish(): boolean {
    if (this.isClosed) return false;
    this.isClosed = true;
    this.#end();
    this.onover();
    return true;
  }
}
