// Who people are and whether they are there.
import { SvelteMap } from 'svelte/reactivity';
import { WATCHED_LIMIT } from '../api/hub';
import type { Call } from '../api/socket';
import type { Address, Contact, Person, Presence } from '../api/types';
import { collator } from '../i18n';

const BATCH = 100;
const BATCH_WAIT_MS = 30;
const NOBODY: Presence = { address: '', show: 'offline' };

/** What stands before the @ of an address. */
export function localPart(address: Address): string {
  const at = address.indexOf('@');
  return at < 0 ? address : address.slice(0, at);
}

export class People {
  #persons = new SvelteMap<Address, Person>();
  #presences = new SvelteMap<Address, Presence>();
  #contacts = new SvelteMap<Address, Contact>();
  #names = new SvelteMap<Address, string>();
  #asked = new Set<Address>();
  #wanted = new Set<Address>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Who is in view, and in how many places; whoever came into view last is at the end. */
  #inView = new Map<Address, number>();
  #watched = '';
  #watchTimer: ReturnType<typeof setTimeout> | undefined;
  blocked = $state.raw<readonly Address[]>([]);

  /** Everybody who is known, those heard of last at the end. */
  persons: readonly Person[] = $derived([...this.#persons.values()]);
  contacts = $derived.by(() => {
    const { compare } = collator();
    return [...this.#contacts.values()].sort((a, b) => compare(this.name(a.address), this.name(b.address)));
  });
  /** Those who wait for an answer. */
  requests = $derived(this.contacts.filter((c) => c.requested));

  constructor(private readonly call: Call) {}

  presence(address: Address): Presence {
    return this.#presences.get(address) ?? NOBODY;
  }

  person(address: Address): Person | undefined {
    return this.#persons.get(address);
  }

  contact(address: Address): Contact | undefined {
    return this.#contacts.get(address);
  }

  /** The best name that is known. */
  name(address: Address): string {
    return (
      this.#contacts.get(address)?.name ??
      this.#persons.get(address)?.name ??
      this.#names.get(address) ??
      localPart(address)
    );
  }

  isBlocked(address: Address): boolean {
    return this.blocked.includes(address);
  }

  /** Remembers a name that came along with something else. */
  hear(address: Address, name: string): void {
    if (name && this.#names.get(address) !== name) this.#names.set(address, name);
  }

  /** Takes people as an earlier visit knew them; they are asked for again when they are wanted. */
  restore(persons: readonly Person[]): void {
    for (const person of persons) if (!this.#persons.has(person.address)) this.#persons.set(person.address, person);
  }

  put(person: Person): void {
    this.#asked.add(person.address);
    this.#persons.set(person.address, person);
  }

  /** Asks for somebody who is not known yet; many who are wanted at about the same time are asked for together. */
  want(address: Address): void {
    if (this.#asked.has(address)) return;
    this.#asked.add(address);
    this.#wanted.add(address);
    if (this.#timer === undefined) this.#timer = setTimeout(() => void this.#ask(), BATCH_WAIT_MS);
  }

  /** Asks once more for somebody who is looked at closely: nobody is told what others change about themselves. */
  renew(address: Address): void {
    this.#asked.delete(address);
    this.want(address);
  }

  async #ask(): Promise<void> {
    this.#timer = undefined;
    const addresses = [...this.#wanted].slice(0, BATCH);
    for (const address of addresses) this.#wanted.delete(address);
    if (this.#wanted.size > 0) this.#timer = setTimeout(() => void this.#ask(), 0);
    try {
      const { people, presences } = await this.call('people.get', { addresses });
      for (const person of people) this.put(person);
      for (const presence of presences) this.setPresence(presence);
    } catch {
      for (const address of addresses) this.#asked.delete(address);
    }
  }

  /** Somebody is in view until the answer is called: the server is asked to tell how he is, also if he is no contact. */
  attend(address: Address): () => void {
    const count = this.#inView.get(address) ?? 0;
    this.#inView.delete(address);
    this.#inView.set(address, count + 1);
    this.#watchSoon();
    return () => {
      const left = (this.#inView.get(address) ?? 1) - 1;
      if (left > 0) this.#inView.set(address, left);
      else this.#inView.delete(address);
      this.#watchSoon();
    };
  }

  /** A new connection watches nobody yet. */
  watchAnew(): void {
    this.#watched = '';
    this.#watchSoon();
  }

  #watchSoon(): void {
    if (this.#watchTimer === undefined) this.#watchTimer = setTimeout(() => void this.#watch(), BATCH_WAIT_MS);
  }

  async #watch(): Promise<void> {
    this.#watchTimer = undefined;
    const addresses = [...this.#inView.keys()].filter((address) => !this.#seesAnyway(address)).slice(-WATCHED_LIMIT);
    const wanted = [...addresses].sort().join(' ');
    if (wanted === this.#watched) return;
    this.#watched = wanted;
    try {
      const { presences } = await this.call('presence.watch', { addresses });
      const told = new Map(presences.map((presence) => [presence.address, presence]));
      for (const address of addresses) {
        const presence = told.get(address);
        if (presence) this.setPresence(presence);
        else this.#presences.delete(address);
      }
    } catch {
      // The next connection asks again.
      if (this.#watched === wanted) this.#watched = '';
    }
  }

  /** Of contacts that one sees the server tells by itself. */
  #seesAnyway(address: Address): boolean {
    const subscription = this.#contacts.get(address)?.subscription;
    return subscription === 'to' || subscription === 'both';
  }

  setPresence(presence: Presence): void {
    this.#presences.set(presence.address, presence);
  }

  setContact(contact: Contact): void {
    this.#contacts.set(contact.address, contact);
  }

  removeContact(address: Address): void {
    this.#contacts.delete(address);
  }

  /** Takes what holds now: whoever is not named is no contact, or is not there. */
  replaceAll(now: { contacts: Contact[]; presences: Presence[]; blocked: Address[] }): void {
    replace(this.#contacts, now.contacts);
    // Of those in view the server is asked next.
    const others = [...this.#presences.values()].filter(({ address }) => this.#inView.has(address) && !this.#seesAnyway(address));
    replace(this.#presences, [...others, ...now.presences]);
    this.blocked = now.blocked;
  }
}

function replace<T extends { address: Address }>(map: SvelteMap<Address, T>, values: T[]): void {
  const kept = new Set(values.map((v) => v.address));
  for (const address of [...map.keys()]) if (!kept.has(address)) map.delete(address);
  for (const value of values) map.set(value.address, value);
}
