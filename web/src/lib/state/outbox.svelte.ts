// What was written and not acknowledged yet: kept in the browser, sent once and in order, and shown until it is.
import { isPassing, Refused, type Call } from '../api/socket';
import type { Address, Attachment, Message, MessageId, SendParams } from '../api/types';
import { newId } from './id';
import type { Keyed } from './keyed';

export interface Outgoing {
  /** What stands in the request, with the id by which the server knows it again. */
  readonly params: SendParams;
  /** Orders what is sent from this device. */
  readonly number: number;
  readonly at_ms: number;
  readonly state: 'waiting' | 'sending' | 'failed';
  readonly reason?: string;
}

const PREFIX = 'outgoing ';
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;

function keyOf(item: Outgoing): string {
  return `${PREFIX}${String(item.number).padStart(16, '0')}`;
}

export interface Written {
  text?: string;
  mentions?: SendParams['mentions'];
  attachments?: Attachment[];
  reply_to?: MessageId;
  thread?: MessageId;
  poll?: SendParams['poll'];
}

export class Outbox {
  /** In the order in which they were written. */
  items = $state.raw<readonly Outgoing[]>([]);
  #number = 0;
  /** Conversations of which something is on its way. */
  #busy = new Set<Address>();
  #failures = new Map<Address, number>();
  #timers = new Map<Address, ReturnType<typeof setTimeout>>();
  #online = false;

  constructor(
    private readonly call: Call,
    private readonly keyed: Keyed,
    private readonly onsent: (message: Message) => void,
    private readonly makeId: () => string = newId,
  ) {}

  /** Brings back what an earlier visit left. */
  async restore(): Promise<void> {
    const kept = (await this.keyed.all<Outgoing>(PREFIX)).map(([, item]) => item);
    const known = new Set(this.items.map((item) => item.params.client_id));
    const back = kept
      .filter((item) => !known.has(item.params.client_id))
      .map((item) => (item.state === 'sending' ? { ...item, state: 'waiting' as const } : item));
    this.#number = Math.max(this.#number, ...back.map((item) => item.number));
    this.items = [...back, ...this.items];
    this.pump();
  }

  in(conversation: Address, thread?: MessageId): Outgoing[] {
    return this.items.filter((i) => i.params.conversation === conversation && i.params.thread === thread);
  }

  /** Takes something to send. It is kept before it is tried. */
  async add(conversation: Address, written: Written): Promise<void> {
    this.#number = Math.max(this.#number + 1, Date.now());
    const item: Outgoing = {
      params: { conversation, client_id: this.makeId(), ...written },
      number: this.#number,
      at_ms: Date.now(),
      state: 'waiting',
    };
    this.items = [...this.items, item];
    try {
      await this.keyed.put(keyOf(item), item);
    } catch {
      // Without room to keep it, it is sent all the same.
    }
    this.pump();
  }

  /** Tries once more what had failed. */
  retry(clientId: string): void {
    this.#change(clientId, { state: 'waiting' });
    this.pump();
  }

  /** Gives up what had failed. */
  discard(clientId: string): void {
    const item = this.items.find((i) => i.params.client_id === clientId);
    if (!item) return;
    this.items = this.items.filter((i) => i !== item);
    void this.keyed.delete(keyOf(item));
  }

  /** A message of the reader has come back from the server, be it as an answer or as an event. */
  acknowledged(message: Message): void {
    if (message.client_id !== undefined) this.discard(message.client_id);
  }

  setOnline(online: boolean): void {
    this.#online = online;
    if (!online) return;
    this.#failures.clear();
    for (const [conversation, timer] of this.#timers) {
      clearTimeout(timer);
      this.#busy.delete(conversation);
    }
    this.#timers.clear();
    this.pump();
  }

  /** Starts whatever can be sent now: of each conversation one at a time. */
  pump(): void {
    if (!this.#online) return;
    for (const item of this.items) {
      const { conversation } = item.params;
      if (item.state === 'waiting' && !this.#busy.has(conversation)) void this.#send(item);
    }
  }

  stop(): void {
    this.#online = false;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  async #send(item: Outgoing): Promise<void> {
    const { conversation, client_id } = item.params;
    this.#busy.add(conversation);
    this.#change(client_id, { state: 'sending' });
    let wait = 0;
    try {
      const { message } = await this.call('message.send', item.params);
      this.#failures.delete(conversation);
      this.onsent(message);
      this.discard(client_id);
    } catch (error) {
      if (isPassing(error)) {
        this.#change(client_id, { state: 'waiting' });
        const failures = this.#failures.get(conversation) ?? 0;
        this.#failures.set(conversation, failures + 1);
        wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** failures);
      } else {
        const reason = error instanceof Refused ? error.message : String(error);
        this.#change(client_id, { state: 'failed', reason });
      }
    }
    if (wait === 0) {
      this.#busy.delete(conversation);
      this.pump();
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(conversation);
      this.#busy.delete(conversation);
      this.pump();
    }, wait);
    this.#timers.set(conversation, timer);
  }

  #change(clientId: string, change: Pick<Outgoing, 'state'> & { reason?: string }): void {
    this.items = this.items.map((item) => {
      if (item.params.client_id !== clientId) return item;
      const { reason: _, ...rest } = item;
      const next = { ...rest, ...change };
      void this.keyed.put(keyOf(next), next).catch(() => undefined);
      return next;
    });
  }
}
