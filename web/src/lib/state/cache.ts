// What was seen last, kept in the browser: it is there to read without a connection, and at once when the page starts.
import type { Account, Address, Contact, Conversation, Limits, Message, Person, Preferences, Scheduled, Server } from '../api/types';
import type { Keyed } from './keyed';

/** So many of the newest messages of a conversation are kept. */
const MESSAGES_KEPT = 60;
/** So many conversations keep messages: those looked at last. */
const CONVERSATIONS_KEPT = 100;
const PERSONS_KEPT = 2_000;

/** What a later form of this program could not read goes unread. */
const FORM = 1;
const STATE = 'cache:state';
const PLACES = 'cache:places';
const messagesKey = (conversation: Address): string => `cache:messages:${conversation}`;

/** Everything but the messages. */
export interface KeptState {
  account: Account;
  server: Server;
  limits: Limits | undefined;
  conversations: readonly Conversation[];
  contacts: readonly Contact[];
  persons: readonly Person[];
  blocked: readonly Address[];
  preferences: Preferences;
  scheduled: readonly Scheduled[];
}

interface Stored {
  form: number;
  state: KeptState;
}

export class Cache {
  /** What was stored last, to store nothing twice. What stands in the lists is replaced and never changed, so that comparing is cheap. */
  #stored: readonly unknown[] = [];
  #messages = new Map<Address, readonly Message[]>();
  /** The conversations with kept messages, the one stored last at the end. */
  #places: Address[] | undefined;

  constructor(private readonly keyed: Keyed) {}

  /** What was kept by an earlier visit. */
  async state(): Promise<KeptState | undefined> {
    const stored = await this.#get<Stored>(STATE);
    return stored?.form === FORM ? stored.state : undefined;
  }

  async messages(conversation: Address): Promise<readonly Message[]> {
    return (await this.#get<readonly Message[]>(messagesKey(conversation))) ?? [];
  }

  /** Keeps what holds now. */
  async keep(state: KeptState, timelines: Iterable<[Address, readonly Message[]]>): Promise<void> {
    const parts = Object.values(state) as unknown[];
    if (!parts.every((part, i) => isSame(part, this.#stored[i]))) {
      this.#stored = parts;
      await this.keyed.put(STATE, { form: FORM, state: { ...state, persons: state.persons.slice(-PERSONS_KEPT) } } satisfies Stored);
    }
    for (const [conversation, messages] of timelines) await this.#keepMessages(conversation, messages);
  }

  async #keepMessages(conversation: Address, messages: readonly Message[]): Promise<void> {
    if (isSame(messages, this.#messages.get(conversation))) return;
    this.#messages.set(conversation, messages);
    await this.keyed.put(messagesKey(conversation), messages.slice(-MESSAGES_KEPT));
    this.#places ??= (await this.#get<Address[]>(PLACES)) ?? [];
    if (this.#places.at(-1) === conversation) return;
    this.#places = [...this.#places.filter((place) => place !== conversation), conversation];
    for (const old of this.#places.splice(0, Math.max(0, this.#places.length - CONVERSATIONS_KEPT))) {
      this.#messages.delete(old);
      await this.keyed.delete(messagesKey(old));
    }
    await this.keyed.put(PLACES, this.#places);
  }

  async #get<T>(key: string): Promise<T | undefined> {
    // Keys that only begin alike come along.
    return (await this.keyed.all<T>(key)).find(([found]) => found === key)?.[1];
  }
}

/** Whether two things are one, or lists of the same things. */
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, i) => item === b[i]);
}
