// The messages of a conversation as far as they are loaded: unbroken stretches of history with gaps between them.
import type { Call } from '../api/socket';
import type { Address, Message, MessageId, Position } from '../api/types';

/** An unbroken stretch of history, oldest first. */
export interface Stretch {
  readonly messages: readonly Message[];
  readonly moreBefore: boolean;
  readonly moreAfter: boolean;
}

export interface Page {
  messages: Message[];
  more_before: boolean;
  more_after: boolean;
}

const EMPTY: Stretch = { messages: [], moreBefore: true, moreAfter: true };

function first(stretch: Stretch): Position {
  return stretch.messages[0]?.position ?? Infinity;
}

function last(stretch: Stretch): Position {
  return stretch.messages.at(-1)?.position ?? -Infinity;
}

/** The index of the first message at or behind a position. */
export function lowerBound(messages: readonly Message[], position: Position): number {
  let low = 0;
  let high = messages.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((messages[middle] as Message).position < position) low = middle + 1;
    else high = middle;
  }
  return low;
}

export class Timeline {
  /** Oldest stretch first; they do not touch. */
  #stretches = $state.raw<readonly Stretch[]>([]);
  /** A position within the stretch that is looked at; undefined means the newest. */
  #place = $state.raw<Position | undefined>(undefined);
  /** What was kept by an earlier visit: shown until the server has told what there is. */
  #kept = $state.raw<Stretch | undefined>(undefined);
  #versions = new Map<MessageId, Position>();
  #where = new Map<MessageId, Position>();
  /** Messages that came while a page was on its way, which may lack them. */
  #meanwhile: [Message, Position][] | undefined;
  #requests = 0;
  loadingBefore = $state(false);
  loadingAfter = $state(false);
  loading = $state(false);
  failed = $state(false);

  constructor(
    readonly conversation: Address,
    private readonly call: Call,
    private readonly version: () => Position,
    private readonly pageSize = 50,
  ) {}

  /** The stretch that is looked at. */
  get shown(): Stretch {
    const place = this.#place;
    if (this.isKept) return this.#kept ?? EMPTY;
    if (place === undefined) return this.live ?? EMPTY;
    return this.#stretches.find((s) => first(s) <= place && place <= last(s)) ?? this.live ?? EMPTY;
  }

  /** Whether only what an earlier visit kept is there to show. */
  get isKept(): boolean {
    return this.#stretches.length === 0 && this.#kept !== undefined;
  }

  /** Takes what an earlier visit kept. */
  restore(messages: readonly Message[]): void {
    if (messages.length > 0) this.#kept = { messages, moreBefore: true, moreAfter: true };
  }

  /** The stretch that ends with the newest message. */
  get live(): Stretch | undefined {
    const newest = this.#stretches.at(-1);
    return newest && !newest.moreAfter ? newest : undefined;
  }

  get stretches(): readonly Stretch[] {
    return this.#stretches;
  }

  find(id: MessageId): Message | undefined {
    const position = this.#where.get(id);
    if (position === undefined) return undefined;
    for (const { messages } of this.#stretches) {
      const found = messages[lowerBound(messages, position)];
      if (found?.id === id) return found;
    }
    return undefined;
  }

  /** Shows the newest messages. */
  async openNewest(): Promise<void> {
    this.#place = undefined;
    if (this.live) return;
    await this.#load('loading', {});
  }

  /** Shows the messages around a position. */
  async openAround(position: Position): Promise<void> {
    const known = this.#stretches.find((s) => first(s) <= position && position <= last(s));
    if (!known) {
      const page = await this.#load('loading', { around: position });
      if (!page) return;
    }
    const stretch = this.#stretches.find((s) => first(s) <= position && position <= last(s));
    // Nothing may be at or beyond the position: then its nearest neighbour is where to look.
    this.#place = stretch ? position : this.#nearest(position);
    if (this.live && this.shown === this.live) this.#place = undefined;
  }

  async loadBefore(): Promise<void> {
    const stretch = this.shown;
    if (this.loadingBefore || !stretch.moreBefore || stretch.messages.length === 0 || this.isKept) return;
    await this.#load('loadingBefore', { before: first(stretch) });
  }

  async loadAfter(): Promise<void> {
    const stretch = this.shown;
    if (this.loadingAfter || !stretch.moreAfter || stretch.messages.length === 0 || this.isKept) return;
    const wasAt = last(stretch);
    await this.#load('loadingAfter', { after: wasAt });
    if (this.#place !== undefined && this.shown === this.live) this.#place = undefined;
  }

  /** Takes a message that the server told of: a new one, or a known one as it is now. */
  receive(message: Message, version: Position): void {
    this.#meanwhile?.push([message, version]);
    this.#put(message, version);
  }

  #put(message: Message, version: Position): void {
    if (!this.#isNews(message, version)) return;
    const place = this.#stretches.findIndex((s, index) => {
      if (s.messages.length === 0) return !s.moreAfter;
      const isBehind = index === this.#stretches.length - 1 && !s.moreAfter;
      const isUnbroken = !s.moreBefore && index === 0;
      return (isUnbroken || first(s) <= message.position) && (isBehind || message.position <= last(s));
    });
    const stretch = this.#stretches[place];
    if (!stretch) return;
    this.#note(message, version);
    this.#replace(place, 1, [{ ...stretch, messages: insert(stretch.messages, message) }]);
  }

  /** Forgets everything, because something may have been missed. */
  clear(): void {
    this.#stretches = [];
    this.#versions.clear();
    this.#where.clear();
    this.#meanwhile = undefined;
    this.#requests++;
    this.loading = this.loadingBefore = this.loadingAfter = false;
  }

  async #load(
    flag: 'loading' | 'loadingBefore' | 'loadingAfter',
    at: { before?: Position; after?: Position; around?: Position },
  ): Promise<Page | undefined> {
    const request = ++this.#requests;
    const asOf = this.version();
    this[flag] = true;
    this.failed = false;
    const meanwhile = (this.#meanwhile ??= []);
    try {
      const page = await this.call('conversation.history', {
        conversation: this.conversation,
        ...at,
        limit: this.pageSize,
      });
      // After clear() the answer belongs to what was forgotten.
      if (this.#meanwhile !== meanwhile) return undefined;
      this.integrate(page, asOf, at);
      for (const [message, version] of meanwhile) this.#put(message, version);
      return page;
    } catch {
      if (this.#meanwhile === meanwhile) this.failed = true;
      return undefined;
    } finally {
      if (this.#meanwhile === meanwhile) {
        this[flag] = false;
        if (request === this.#requests || !(this.loading || this.loadingBefore || this.loadingAfter)) {
          this.#meanwhile = undefined;
        }
      }
    }
  }

  /** Joins a page with what it touches. */
  integrate(page: Page, asOf: Position, at: { before?: Position; after?: Position } = {}): void {
    const fresh = page.messages.map((message) => {
      if (this.#isNews(message, asOf)) {
        this.#note(message, asOf);
        return message;
      }
      return this.find(message.id) ?? message;
    });
    let joined: Stretch = { messages: fresh, moreBefore: page.more_before, moreAfter: page.more_after };
    if (fresh.length === 0 && at.before !== undefined) joined = { ...joined, moreAfter: true };
    if (fresh.length === 0 && at.after !== undefined) joined = { ...joined, moreBefore: true };
    // The page begins or ends right at the message it was asked for by, so it touches that one's stretch.
    const asked = at.before ?? at.after;
    const from = Math.min(first(joined), asked ?? Infinity);
    const to = Math.max(last(joined), asked ?? -Infinity);
    const apart: Stretch[] = [];
    for (const other of this.#stretches) {
      const touches = other.messages.length === 0 || (first(other) <= to && last(other) >= from);
      if (touches) joined = join(joined, other);
      else apart.push(other);
    }
    this.#stretches = [...apart, joined].sort((a, b) => first(a) - first(b));
  }

  #isNews(message: Message, version: Position): boolean {
    return (this.#versions.get(message.id) ?? -1) <= version;
  }

  #note(message: Message, version: Position): void {
    this.#versions.set(message.id, version);
    this.#where.set(message.id, message.position);
  }

  #nearest(position: Position): Position | undefined {
    let best: Position | undefined;
    for (const { messages } of this.#stretches) {
      for (const near of [messages[0], messages.at(-1)]) {
        if (!near) continue;
        if (best === undefined || Math.abs(near.position - position) < Math.abs(best - position)) {
          best = near.position;
        }
      }
    }
    return best;
  }

  #replace(at: number, count: number, by: Stretch[]): void {
    this.#stretches = this.#stretches.toSpliced(at, count, ...by);
  }
}

/** The messages with one more in its place, or with a newer form of one. */
export function insert(messages: readonly Message[], message: Message): readonly Message[] {
  const at = lowerBound(messages, message.position);
  const isKnown = messages[at]?.id === message.id;
  return messages.toSpliced(at, isKnown ? 1 : 0, message);
}

/** Two stretches that touch, as one. Where both hold a message, the one of `a` stays. */
function join(a: Stretch, b: Stretch): Stretch {
  if (b.messages.length === 0) return a;
  if (a.messages.length === 0) {
    // A page that found nothing says that there is nothing more on its side.
    return {
      messages: b.messages,
      moreBefore: b.moreBefore && a.moreBefore,
      moreAfter: b.moreAfter && a.moreAfter,
    };
  }
  const messages: Message[] = [];
  let i = 0;
  let j = 0;
  while (i < a.messages.length || j < b.messages.length) {
    const left = a.messages[i];
    const right = b.messages[j];
    if (left && (!right || left.position <= right.position)) {
      if (right && right.position === left.position) j++;
      messages.push(left);
      i++;
    } else if (right) {
      messages.push(right);
      j++;
    }
  }
  const moreBefore =
    first(a) === first(b) ? a.moreBefore && b.moreBefore : first(a) < first(b) ? a.moreBefore : b.moreBefore;
  const moreAfter =
    last(a) === last(b) ? a.moreAfter && b.moreAfter : last(a) > last(b) ? a.moreAfter : b.moreAfter;
  return { messages, moreBefore, moreAfter };
}
