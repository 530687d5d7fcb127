// Who people are and whether they are there.
import { SvelteMap } from 'svelte/reactivity';
import type { Call } from '../api/socket';
import type { Address, Contact, Person, Presence } from '../api/types';

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
  blocked = $state.raw<readonly Address[]>([]);

  /** Everybody who is known, those heard of last at the end. */
  persons: readonly Person[] = $derived([...this.#persons.values()]);
  contacts = $derived([...this.#contacts.values()].sort((a, b) => this.name(a.address).localeCompare(this.name(b.address))));
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
    replace(this.#presences, now.presences);
    this.blocked = now.blocked;
  }
}

function replace<T extends { address: Address }>(map: SvelteMap<Address, T>, values: T[]): void {
  const kept = new Set(values.map((v) => v.address));
  for (const address of [...map.keys()]) if (!kept.has(address)) map.delete(address);
  for (const value of values) map.set(value.address, value);
}
