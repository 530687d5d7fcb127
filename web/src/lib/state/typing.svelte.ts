// Who is writing where, and telling others that the reader writes.
import { SvelteMap } from 'svelte/reactivity';
import type { Call } from '../api/socket';
import type { Address } from '../api/types';

/** Whoever has said nothing more for so long is not writing any more. */
const FORGET_MS = 12_000;
/** So often others are told that one is still writing. */
const TELL_MS = 5_000;
const PAUSE_MS = 6_000;

export class Typing {
  #writing = new SvelteMap<Address, readonly Address[]>();
  #timers = new Map<string, ReturnType<typeof setTimeout>>();
  #told: { conversation: Address; at: number } | undefined;
  #pause: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly call: Call) {}

  in(conversation: Address): readonly Address[] {
    return this.#writing.get(conversation) ?? [];
  }

  set(conversation: Address, address: Address, state: 'composing' | 'paused'): void {
    const key = `${conversation} ${address}`;
    clearTimeout(this.#timers.get(key));
    this.#timers.delete(key);
    const others = this.in(conversation).filter((a) => a !== address);
    if (state === 'composing') {
      this.#timers.set(
        key,
        setTimeout(() => this.set(conversation, address, 'paused'), FORGET_MS),
      );
      this.#writing.set(conversation, [...others, address]);
    } else if (others.length > 0) {
      this.#writing.set(conversation, others);
    } else {
      this.#writing.delete(conversation);
    }
  }

  /** The reader has changed what is being written. */
  write(conversation: Address): void {
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => this.stop(conversation), PAUSE_MS);
    const isTold = this.#told?.conversation === conversation && Date.now() - this.#told.at < TELL_MS;
    if (isTold) return;
    this.#told = { conversation, at: Date.now() };
    this.#tell(conversation, 'composing');
  }

  /** The reader has stopped, or has sent it. */
  stop(conversation: Address, isSent = false): void {
    clearTimeout(this.#pause);
    if (this.#told?.conversation !== conversation) return;
    this.#told = undefined;
    // The message itself says that its writer has stopped.
    if (!isSent) this.#tell(conversation, 'paused');
  }

  clear(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#writing.clear();
    this.#told = undefined;
    clearTimeout(this.#pause);
  }

  #tell(conversation: Address, state: 'composing' | 'paused'): void {
    // Nobody waits for it, and nobody misses it.
    this.call('conversation.typing', { conversation, state }).catch(() => undefined);
  }
}
