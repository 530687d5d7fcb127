// What was begun to be written and not sent: kept in the browser at once and with the account soon after.
import { SvelteMap } from 'svelte/reactivity';
import type { Call } from '../api/socket';
import type { Address, Draft, MessageId } from '../api/types';
import type { Keyed } from './keyed';

const PUSH_WAIT_MS = 800;
const PREFIX = 'draft ';

/** Where something is written: in a conversation, or in one of its threads. */
export function placeKey(conversation: Address, thread?: MessageId): string {
  return thread === undefined ? conversation : `${conversation} ${thread}`;
}

interface Kept extends Draft {
  conversation: Address;
  /** Changed here, and not told to the server yet. */
  unsaved?: true;
}

export class Drafts {
  #drafts = new SvelteMap<string, Kept>();
  #timers = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(
    private readonly call: Call,
    private readonly keyed: Keyed,
  ) {}

  async restore(): Promise<void> {
    for (const [key, draft] of await this.keyed.all<Kept>(PREFIX)) {
      const place = key.slice(PREFIX.length);
      if (!this.#drafts.has(place)) this.#drafts.set(place, draft);
    }
  }

  get(conversation: Address, thread?: MessageId): Draft | undefined {
    return this.#drafts.get(placeKey(conversation, thread));
  }

  /** The reader has changed what is written. */
  set(conversation: Address, text: string, about: { reply_to?: MessageId; thread?: MessageId } = {}): void {
    const key = placeKey(conversation, about.thread);
    const known = this.#drafts.get(key);
    if ((known?.text ?? '') === text && known?.reply_to === about.reply_to) return;
    const draft: Kept = { conversation, text, ...about, changed_ms: Date.now(), unsaved: true };
    const isEmpty = text.trim() === '' && about.reply_to === undefined;
    if (isEmpty && !known) return;
    if (isEmpty) this.#drafts.delete(key);
    else this.#drafts.set(key, draft);
    void (isEmpty ? this.keyed.delete(PREFIX + key) : this.keyed.put(PREFIX + key, draft));
    // The server keeps one draft a conversation: what is begun in threads stays on this device.
    if (about.thread !== undefined) return;
    clearTimeout(this.#timers.get(key));
    this.#timers.set(
      key,
      setTimeout(() => void this.#push(conversation), PUSH_WAIT_MS),
    );
  }

  /** Sent, so there is nothing left of it. */
  clear(conversation: Address, thread?: MessageId): void {
    this.set(conversation, '', thread === undefined ? {} : { thread });
  }

  /** What another device of the reader, or the server's list of conversations, says. */
  receive(conversation: Address, draft: Draft | undefined): void {
    const known = this.#drafts.get(conversation);
    if (known?.unsaved && known.changed_ms >= (draft?.changed_ms ?? 0)) return;
    if (this.#timers.has(conversation)) return;
    if (draft?.thread !== undefined) return;
    if (draft) this.#drafts.set(conversation, { ...draft, conversation });
    else this.#drafts.delete(conversation);
    void this.keyed.delete(PREFIX + conversation);
  }

  /** Tells the server at once what it does not know yet. */
  async flush(): Promise<void> {
    const places = [...this.#drafts.values()].filter((d) => d.unsaved && d.thread === undefined);
    const waiting = [...this.#timers.keys()];
    const conversations = new Set([...places.map((d) => d.conversation), ...waiting]);
    await Promise.all([...conversations].map((c) => this.#push(c)));
  }

  async #push(conversation: Address): Promise<void> {
    clearTimeout(this.#timers.get(conversation));
    this.#timers.delete(conversation);
    const draft = this.#drafts.get(conversation);
    const told = draft && {
      text: draft.text,
      ...(draft.reply_to === undefined ? {} : { reply_to: draft.reply_to }),
    };
    try {
      await this.call('conversation.draft', { conversation, draft: told ?? null });
    } catch {
      // It stays marked, and is told after the next time of signing in.
      return;
    }
    if (draft && this.#drafts.get(conversation) === draft) {
      const { unsaved: _, ...saved } = draft;
      this.#drafts.set(conversation, saved);
      await this.keyed.delete(PREFIX + conversation);
    }
  }
}
