// The list of conversations: what is in it, in which order, and what in it is unread.
import { SvelteMap } from 'svelte/reactivity';
import type { Address, Conversation, Message, Position, Room } from '../api/types';
import { inOrder } from './sections';

/** More than this the server does not count. */
export const UNREAD_LIMIT = 100;

export function isMuted(conversation: Conversation, now = Date.now()): boolean {
  const until = conversation.settings.muted_until_ms;
  return until !== undefined && (until === 0 || until > now);
}

/** Whether somebody still has to look at it. */
export function isUnread(conversation: Conversation): boolean {
  return conversation.unread > 0 || conversation.settings.marked_unread === true;
}

/** Whether it waits for its reader: of what is muted only what is meant for him does. */
export function isWaiting(conversation: Conversation): boolean {
  return isUnread(conversation) && (!isMuted(conversation) || badge(conversation) > 0);
}

/** The number that a conversation shows: in a direct one every message is meant for the reader. */
export function badge(conversation: Conversation): number {
  if (isMuted(conversation)) return conversation.mentions;
  return conversation.kind === 'direct' ? conversation.unread : conversation.mentions;
}

/** Newest first. */
function byLast(a: Conversation, b: Conversation): number {
  return (b.last?.position ?? 0) - (a.last?.position ?? 0) || (a.name < b.name ? -1 : 1);
}

export class Conversations {
  #all = new SvelteMap<Address, Conversation>();
  #versions = new Map<Address, Position>();

  /** Every conversation, the one with the newest message first. */
  list = $derived([...this.#all.values()].sort(byLast));

  shown = $derived(this.list.filter((c) => !c.settings.hidden || isUnread(c)));
  favourites = $derived(inOrder(this.shown.filter((c) => c.settings.favourite)));
  direct = $derived(this.shown.filter((c) => c.kind !== 'room' && !c.settings.favourite));
  rooms = $derived(inOrder(this.shown.filter((c) => c.kind === 'room' && !c.settings.favourite)));
  unread = $derived(this.shown.filter((c) => isUnread(c)));

  /** What the icon of the page shows: messages meant for the reader. */
  count = $derived(this.shown.reduce((sum, c) => sum + badge(c), 0));
  /** Whether anything at all is unread that is not muted. */
  any = $derived(this.unread.some((c) => !isMuted(c)));

  get(address: Address): Conversation | undefined {
    return this.#all.get(address);
  }

  replaceAll(conversations: Conversation[], version: Position): void {
    this.#all.clear();
    this.#versions.clear();
    for (const conversation of conversations) this.put(conversation, version);
  }

  /** Takes a conversation as the server told it, unless something newer is known. */
  put(conversation: Conversation, version: Position): void {
    if ((this.#versions.get(conversation.address) ?? 0) > version) return;
    this.#versions.set(conversation.address, version);
    this.#all.set(conversation.address, conversation);
  }

  /** The reader belongs to these rooms and to no others. */
  keepRooms(rooms: readonly Address[]): void {
    for (const { address, kind } of [...this.#all.values()]) {
      if (kind === 'room' && !rooms.includes(address)) this.remove(address);
    }
  }

  remove(address: Address): void {
    this.#all.delete(address);
    this.#versions.delete(address);
  }

  /** Changes what is shown before the server has answered. */
  patch(address: Address, change: Partial<Conversation>): void {
    const known = this.#all.get(address);
    if (known) this.#all.set(address, { ...known, ...change });
  }

  room(room: Room): void {
    const known = this.#all.get(room.address);
    if (!known) return;
    const { avatar: _, ...rest } = known;
    this.#all.set(room.address, {
      ...rest,
      name: room.name,
      room,
      ...(room.avatar === undefined ? {} : { avatar: room.avatar }),
    });
  }

  /**
   * Counts a message that has come in. Says false when the conversation is not known and has to be asked for.
   * The same message again, or a change of it, counts nothing. `isNamed` says that it names the reader.
   */
  message(message: Message, version: Position, reader: Address, isNamed: boolean): boolean {
    const known = this.#all.get(message.conversation);
    if (!known) return false;
    const newest = known.last?.position ?? 0;
    if (message.position < newest) return true;
    if (known.last?.id === message.id) {
      this.#all.set(message.conversation, { ...known, last: message });
      return true;
    }
    const next: Conversation = { ...known, last: message };
    const isNews = message.position > known.seen && message.from.address !== reader;
    // What the server has counted already is not counted once more.
    const isCounted = (this.#versions.get(message.conversation) ?? 0) >= version;
    if (isNews && !isCounted && message.kind === 'message' && message.thread === undefined) {
      next.unread = Math.min(UNREAD_LIMIT, known.unread + 1);
      if (isNamed) next.mentions = known.mentions + 1;
    }
    if (message.from.address === reader && message.position > known.seen) {
      next.seen = message.position;
      next.unread = 0;
      next.mentions = 0;
    }
    this.#all.set(message.conversation, next);
    return true;
  }

  /** Somebody has read up to a position: the reader on another device, or the other one of two. */
  read(conversation: Address, address: Address, position: Position, reader: Address): void {
    const known = this.#all.get(conversation);
    if (!known) return;
    if (address === reader) {
      if (position <= known.seen) return;
      const isAll = position >= (known.last?.position ?? 0);
      this.#all.set(conversation, { ...known, seen: position, ...(isAll ? { unread: 0, mentions: 0 } : {}) });
    } else if (known.kind === 'direct' && position > (known.peer_seen ?? 0)) {
      this.#all.set(conversation, { ...known, peer_seen: position });
    }
  }
}

export function isMentioned(message: Message, reader: Address): boolean {
  return message.mentions?.some((m) => m.kind !== 'person' || m.address === reader) ?? false;
}
