// Everything that is known while somebody is signed in, and what can be done with it.
import { SvelteMap } from 'svelte/reactivity';
import {
  Client,
  isPassing,
  type Account,
  type Address,
  type Conversation,
  type ConversationSettings,
  type Credentials,
  type EndReason,
  type Limits,
  type LinkState,
  type Mention,
  type Message,
  type MessageId,
  type Method,
  type Params,
  type Partially,
  type Position,
  type Refused,
  type Result,
  type Scheduled,
  type Server,
  type ServerEvent,
  type SignedIn,
  type Snapshot,
  type TokenStore,
  type WebSocketLike,
} from '../api';
import { Cache } from './cache';
import { Conversations } from './conversations.svelte';
import { Drafts } from './drafts.svelte';
import { KeyedInMemory, type Keyed } from './keyed';
import { Outbox, type Written } from './outbox.svelte';
import { isNamed } from './notify';
import { localPart, People } from './people.svelte';
import { Preferences } from './preferences.svelte';
import { Threads } from './threads.svelte';
import { Timeline } from './timeline.svelte';
import { Typing } from './typing.svelte';

/** So many timelines are kept when others are looked at. */
const TIMELINES_KEPT = 24;
/** So many messages are remembered as they now are for panes that show them outside of a timeline. */
const FRESH_KEPT = 2_000;
/** How often what is known is kept for the next visit, if it has changed. */
const KEEP_EVERY_MS = 5_000;

export interface Invitation {
  room: Address;
  /** What the room is called, once that is known. */
  name: string;
  from: Address;
  reason?: string;
}

export interface AccountStore {
  /** Whether anything may be kept: not for a visit that is not to be remembered. */
  keeps(): boolean;
  get(): Address | undefined;
  set(account: Address | undefined): void;
}

export interface SessionOptions {
  create: () => WebSocketLike;
  tokens: TokenStore;
  client: { name: string; device: string; version?: string };
  openKeyed: (account: Address) => Promise<Keyed>;
  /** Whose things this browser keeps for the next visit. Without it nothing that was read is kept. */
  accounts?: AccountStore;
  random?: () => number;
}

export class Session {
  readonly client: Client;
  link = $state<LinkState>('idle');
  account = $state.raw<Account | undefined>();
  server = $state.raw<Server | undefined>();
  limits = $state.raw<Limits | undefined>();
  /** The snapshot is there, so there is something to show. */
  ready = $state(false);
  /** Why nobody is signed in any more. */
  ended = $state.raw<EndReason | Refused | undefined>();
  /** Where the list of conversations goes on, if it does. */
  more = $state.raw<Position | undefined>();
  scheduled = $state.raw<readonly Scheduled[]>([]);
  invitations = $state.raw<readonly Invitation[]>([]);

  readonly conversations = new Conversations();
  readonly people: People;
  readonly typing: Typing;
  readonly preferences: Preferences;
  readonly threads: Threads;
  outbox = $state.raw() as Outbox;
  drafts = $state.raw() as Drafts;

  #timelines = new Map<Address, Timeline>();
  #fresh = new SvelteMap<MessageId, { message: Message; version: Position }>();
  /** Conversations that messages have come for and that are not in the list yet. */
  #missing = new Set<Address>();
  /** Rooms that people have come to or left since they were told: events of members do not say how many there are. */
  #aged = new Set<Address>();
  #isOpened = false;
  #listeners = new Set<(event: ServerEvent) => void>();
  #keyed: Keyed = new KeyedInMemory();
  #keptFor: Address | undefined;
  #cache: Cache | undefined;
  #restoring: Promise<void> | undefined;
  /** Whether this visit goes on with an earlier one, and not with a password that was typed. */
  #isBack = false;
  #keeping: Promise<void> | undefined;
  #keepTimer: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly options: SessionOptions) {
    this.client = new Client({
      create: options.create,
      tokens: options.tokens,
      client: options.client,
      ...(options.random ? { random: options.random } : {}),
      onstate: (state) => this.#linked(state),
      onsignedin: (answer) => void this.#signedIn(answer),
      onsnapshot: (snapshot) => this.#snapshot(snapshot),
      onchanges: (changes) => {
        // Only the last page of what was missed says who is there.
        if (changes.contacts && changes.presences && changes.blocked) {
          this.people.replaceAll({ contacts: changes.contacts, presences: changes.presences, blocked: changes.blocked });
        }
        if (changes.rooms) this.conversations.keepRooms(changes.rooms);
      },
      onevent: (event) => this.#event(event),
      onended: (cause) => {
        this.ended = cause;
        // Whoever was signed out from elsewhere is to find nothing here any more.
        const isOut = cause === 'revoked' || cause === 'signed_out' || (typeof cause !== 'string' && cause.condition === 'unauthorized');
        if (isOut && (this.#isBack || this.#keptFor !== undefined)) void this.#wipe();
        this.#forget();
      },
    });
    this.people = new People(this.call);
    this.typing = new Typing(this.call);
    this.preferences = new Preferences(this.call);
    this.threads = new Threads(this.call, () => this.client.version);
    this.#keep(new KeyedInMemory());
  }

  call = <M extends Method>(method: M, params: Params<M>): Promise<Result<M>> => this.client.call(method, params);

  get me(): Address {
    return this.account?.address ?? '';
  }

  /** Calls back on every event, after it was applied. Returns how to stop that. */
  listen(listener: (event: ServerEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  signIn(credentials: Credentials): void {
    this.ended = undefined;
    this.#isBack = false;
    this.client.signIn(credentials);
  }

  resume(): boolean {
    if (!this.options.tokens.get()) return false;
    this.#isBack = true;
    this.#restoring = this.#restore().catch(() => undefined);
    return this.client.resume();
  }

  async signOut(): Promise<void> {
    await this.client.signOut();
    // Nothing of the account stays in the browser.
    await this.#wipe();
    this.#forget();
  }

  /** Shows what an earlier visit kept, until the server has told what there is now. */
  async #restore(): Promise<void> {
    const address = this.options.accounts?.get();
    if (address === undefined) return;
    const keyed = await this.options.openKeyed(address);
    const cache = new Cache(keyed);
    const state = await cache.state();
    if (state?.account.address !== address || this.account !== undefined || this.ended !== undefined) return;
    this.#keptFor = address;
    this.#keep(keyed);
    this.account = state.account;
    this.server = state.server;
    this.limits = state.limits;
    this.conversations.replaceAll([...state.conversations], 0);
    this.people.restore(state.persons);
    this.people.replaceAll({ contacts: [...state.contacts], presences: [], blocked: [...state.blocked] });
    for (const conversation of state.conversations) this.#heard(conversation);
    this.preferences.receive(state.preferences);
    this.scheduled = state.scheduled;
    this.#isOpened = this.ready = true;
    await Promise.all([this.drafts.restore(), this.outbox.restore()]);
  }

  /** Keeps what is known now for the next visit. */
  keepNow(): Promise<void> {
    const { account, server } = this;
    const cache = this.#cache;
    if (!cache || !account || !server || !this.ready || this.client.version === 0) return Promise.resolve();
    const live: [Address, readonly Message[]][] = [];
    for (const [address, timeline] of this.#timelines) if (timeline.live) live.push([address, timeline.live.messages]);
    const state = {
      account,
      server,
      limits: this.limits,
      conversations: this.conversations.list,
      contacts: this.people.contacts,
      persons: this.people.persons,
      blocked: this.people.blocked,
      preferences: this.preferences.values,
      scheduled: this.scheduled,
    };
    // One after the other. A browser that has no room keeps nothing.
    this.#keeping = (this.#keeping ?? Promise.resolve()).then(() => (cache === this.#cache ? cache.keep(state, live) : undefined)).catch(() => undefined);
    return this.#keeping;
  }

  async #wipe(): Promise<void> {
    const { accounts, openKeyed } = this.options;
    // It may have ended before anything of it was opened.
    const account = this.#keptFor === undefined ? accounts?.get() : undefined;
    const keyed = account === undefined ? this.#keyed : await openKeyed(account);
    this.#cache = undefined;
    accounts?.set(undefined);
    await this.#keeping;
    await keyed.clear();
  }

  timeline(conversation: Address): Timeline {
    const known = this.#timelines.get(conversation);
    if (known) {
      // The one used last stands last, so that the first is the one to forget.
      this.#timelines.delete(conversation);
      this.#timelines.set(conversation, known);
      return known;
    }
    const timeline = new Timeline(conversation, this.call, () => this.client.version);
    this.#timelines.set(conversation, timeline);
    // Without a connection, or before there is one, that is all there is to read.
    if (this.link !== 'online') void this.#cache?.messages(conversation).then((messages) => timeline.restore(messages));
    if (this.#timelines.size > TIMELINES_KEPT) {
      const [oldest] = this.#timelines.keys();
      if (oldest !== undefined) this.#timelines.delete(oldest);
    }
    return timeline;
  }

  /** The newest form of a message that was read somewhere else than in a timeline. */
  fresh(message: Message): Message {
    return this.#fresh.get(message.id)?.message ?? message;
  }

  /** Brings a conversation into the list: a direct one, or that of a room one belongs to. */
  async openConversation(address: Address): Promise<Conversation> {
    const asOf = this.client.version;
    const isOfHere = this.server?.domains.includes(address.slice(address.indexOf('@') + 1)) ?? false;
    const asked = { conversation: address };
    const { conversation } = isOfHere
      ? await this.call('conversation.open', asked)
      : await this.call('conversation.get', asked).catch(() => this.call('conversation.open', asked));
    this.#conversation(conversation, asOf);
    return conversation;
  }

  /** Reads on in the list of conversations. */
  async loadMore(): Promise<void> {
    if (this.more === undefined) return;
    const asOf = this.client.version;
    const { conversations, more, next, missing } = await this.call('conversation.list', { before: this.more });
    for (const conversation of conversations) this.#conversation(conversation, asOf);
    for (const address of missing ?? []) this.#missing.add(address);
    void this.#fetchMissing();
    this.more = more ? (next ?? conversations.at(-1)?.last?.position) : undefined;
  }

  async joinRoom(room: Address): Promise<void> {
    await this.call('room.join', { room });
    this.dismissInvitation(room);
    await this.openConversation(room);
  }

  async createRoom(params: Params<'room.create'>): Promise<Address> {
    const { room } = await this.call('room.create', params);
    await this.openConversation(room.address);
    return room.address;
  }

  /** Whether a message names the reader, as badges count it. */
  isNamed(message: Message): boolean {
    const conversation = this.conversations.get(message.conversation);
    return conversation !== undefined && isNamed(message, conversation, this.preferences.values, this.account ?? { address: this.me, name: localPart(this.me) });
  }

  receiveAccount(account: Account): void {
    this.account = account;
    this.people.put(account);
  }

  send(conversation: Address, written: Written): Promise<void> {
    this.typing.stop(conversation, true);
    this.drafts.clear(conversation, written.thread);
    return this.outbox.add(conversation, written);
  }

  edit(message: Message, text: string, mentions: Mention[]): Promise<void> {
    const about = { conversation: message.conversation, id: message.id };
    return this.#changed(message, { text, ...(mentions.length > 0 ? { mentions } : {}) }, () =>
      this.call('message.edit', { ...about, text, ...(mentions.length > 0 ? { mentions } : {}) }),
    );
  }

  recall(message: Message): Promise<void> {
    return this.#changed(message, {}, () =>
      this.call('message.recall', { conversation: message.conversation, id: message.id }),
    );
  }

  /** Whether an own poll can be ended: servers did not always know how. */
  get canClosePolls(): boolean {
    return this.server?.features.includes('message.close_poll') ?? false;
  }

  /** Ends an own poll: the votes stay, and there are no more. */
  closePoll(message: Message): Promise<void> {
    const poll = message.poll && { ...message.poll, closed: true as const };
    return this.#changed(message, poll ? { poll } : {}, () =>
      this.call('message.close_poll', { conversation: message.conversation, id: message.id }),
    );
  }

  /** Adds a reaction of the reader, or takes it back. */
  react(message: Message, emoji: string): Promise<void> {
    const mine = (this.fresh(message).reactions ?? []).filter((r) => r.by.includes(this.me)).map((r) => r.emoji);
    return this.setReactions(message, mine.includes(emoji) ? mine.filter((e) => e !== emoji) : [...mine, emoji]);
  }

  /** Makes these all of the reader's reactions. */
  setReactions(message: Message, emojis: string[]): Promise<void> {
    const reactions = (this.fresh(message).reactions ?? []).map((r) => ({
      emoji: r.emoji,
      by: r.by.filter((a) => a !== this.me).concat(emojis.includes(r.emoji) ? [this.me] : []),
    }));
    for (const emoji of emojis) {
      if (!reactions.some((r) => r.emoji === emoji)) reactions.push({ emoji, by: [this.me] });
    }
    return this.#changed(message, { reactions: reactions.filter((r) => r.by.length > 0) }, () =>
      this.call('message.react', { conversation: message.conversation, id: message.id, emojis }),
    );
  }

  pin(message: Message, pinned: boolean): Promise<void> {
    return this.#changed(message, {}, () =>
      this.call('message.pin', { conversation: message.conversation, id: message.id, pinned }),
    );
  }

  save(message: Message, saved: boolean): Promise<void> {
    return this.#changed(message, {}, () =>
      this.call('message.save', { conversation: message.conversation, id: message.id, saved }),
    );
  }

  /** Everything up to a position was seen. */
  async read(conversation: Address, position: Position): Promise<void> {
    const known = this.conversations.get(conversation);
    if (!known) return;
    const isNothing = known.seen >= position && known.unread === 0 && !known.settings.marked_unread;
    if (isNothing) return;
    const isAll = position >= (known.last?.position ?? 0);
    const { marked_unread: _, ...settings } = known.settings;
    this.conversations.patch(conversation, {
      seen: Math.max(known.seen, position),
      settings,
      ...(isAll ? { unread: 0, mentions: 0 } : {}),
    });
    await this.#conversationChanged(() => this.call('conversation.read', { conversation, position }));
  }

  /** The message at a position, and all after it, are unread again. */
  async unread(conversation: Address, position: Position): Promise<void> {
    await this.#conversationChanged(() => this.call('conversation.unread', { conversation, position }));
  }

  async configure(conversation: Address, settings: Partially<ConversationSettings>): Promise<void> {
    await this.#conversationChanged(() => this.call('conversation.configure', { conversation, settings }));
  }

  /** Asks for a room anew, if people have come to it or left it since it was told. */
  async renewRoom(room: Address): Promise<void> {
    if (!this.#aged.delete(room)) return;
    try {
      this.conversations.room((await this.call('room.get', { room })).room);
    } catch (error) {
      if (isPassing(error)) this.#aged.add(room);
    }
  }

  async leave(room: Address): Promise<void> {
    await this.call('room.leave', { room });
    this.conversations.remove(room);
    this.#timelines.delete(room);
  }

  dismissInvitation(room: Address): void {
    this.invitations = this.invitations.filter((i) => i.room !== room);
  }

  async #conversationChanged(change: () => Promise<{ conversation: Conversation }>): Promise<void> {
    const asOf = this.client.version;
    const { conversation } = await change();
    this.#conversation(conversation, asOf);
  }

  /** Shows a change of a message before the server has answered, and takes it back when it refuses. */
  async #changed(message: Message, change: Partial<Message>, ask: () => Promise<{ message: Message }>): Promise<void> {
    const asOf = this.client.version;
    const before = this.#known(message) ?? message;
    if (Object.keys(change).length > 0) this.#message({ ...before, ...change }, asOf);
    try {
      const { message: after } = await ask();
      this.#message(after, asOf);
    } catch (error) {
      this.#message(before, asOf);
      throw error;
    }
  }

  #known(message: Message): Message | undefined {
    return this.#fresh.get(message.id)?.message ?? this.#timelines.get(message.conversation)?.find(message.id);
  }

  #linked(state: LinkState): void {
    this.link = state;
    this.outbox?.setOnline(state === 'online');
    if (state === 'online') {
      // Only now requests are taken, so only now there is something to show.
      this.ready = this.#isOpened;
      void this.drafts.flush();
      this.people.watchAnew();
      void this.#fetchMissing();
    } else if (state !== 'connecting') {
      this.typing.clear();
    }
  }

  async #signedIn(answer: SignedIn): Promise<void> {
    this.account = answer.account;
    this.server = answer.server;
    this.limits = answer.limits;
    this.people.put(answer.account);
    await this.#restoring;
    if (this.#keptFor === answer.account.address) return;
    this.#keptFor = answer.account.address;
    this.#keep(await this.options.openKeyed(answer.account.address));
    await Promise.all([this.drafts.restore(), this.outbox.restore()]);
    for (const { address, draft } of this.conversations.list) this.drafts.receive(address, draft);
    this.outbox.setOnline(this.link === 'online');
  }

  #keep(keyed: Keyed): void {
    this.outbox?.stop();
    this.#keyed = keyed;
    clearInterval(this.#keepTimer);
    this.#cache = undefined;
    if (this.#keptFor !== undefined && this.options.accounts?.keeps()) {
      this.#cache = new Cache(keyed);
      this.options.accounts.set(this.#keptFor);
      this.#keepTimer = setInterval(() => void this.keepNow(), KEEP_EVERY_MS);
    }
    this.outbox = new Outbox(this.call, keyed, (message) => this.#message(message, this.client.version));
    this.drafts = new Drafts(this.call, keyed);
  }

  #snapshot(snapshot: Snapshot): void {
    for (const timeline of this.#timelines.values()) timeline.clear();
    this.#fresh.clear();
    this.threads.clear();
    this.conversations.replaceAll(snapshot.conversations, snapshot.version);
    for (const conversation of snapshot.conversations) this.#heard(conversation);
    this.people.replaceAll(snapshot);
    this.preferences.receive(snapshot.preferences);
    this.scheduled = snapshot.scheduled;
    this.more = snapshot.next;
    for (const address of snapshot.missing ?? []) this.#missing.add(address);
    this.#isOpened = true;
  }

  #event(event: ServerEvent): void {
    const version = event.version ?? this.client.version;
    switch (event.type) {
      case 'message': {
        // Events say nothing of what the reader has saved: that stays as it was.
        const isSaved = this.#known(event.message)?.saved === true;
        this.#message(isSaved ? { ...event.message, saved: true } : event.message, version);
        break;
      }
      case 'saved': {
        const known = this.#timelines.get(event.conversation)?.find(event.id) ?? this.#fresh.get(event.id)?.message;
        if (!known) break;
        const { saved: _, ...rest } = known;
        this.#message(event.saved ? { ...rest, saved: true } : rest, version);
        break;
      }
      case 'conversation':
        this.#conversation(event.conversation, version);
        break;
      case 'conversation_removed':
        this.conversations.remove(event.address);
        this.#timelines.delete(event.address);
        break;
      case 'read':
        this.conversations.read(event.conversation, event.address, event.position, this.me);
        break;
      case 'draft':
        this.drafts.receive(event.conversation, event.draft);
        break;
      case 'preferences':
        this.preferences.receive(event.preferences);
        break;
      case 'scheduled':
        this.scheduled = [...this.scheduled.filter((s) => s.id !== event.scheduled.id), event.scheduled];
        break;
      case 'scheduled_removed':
        this.scheduled = this.scheduled.filter((s) => s.id !== event.id);
        break;
      case 'thread':
        this.threads.put(event.thread);
        break;
      case 'contact':
        this.people.setContact(event.contact);
        break;
      case 'contact_removed':
        this.people.removeContact(event.address);
        break;
      case 'blocked':
        this.people.blocked = event.addresses;
        break;
      case 'room':
        this.#aged.delete(event.room.address);
        this.conversations.room(event.room);
        if (event.room.role === 'none') break;
        this.dismissInvitation(event.room.address);
        if (this.conversations.get(event.room.address)) break;
        this.#missing.add(event.room.address);
        void this.#fetchMissing();
        break;
      case 'typing':
        if (event.address !== this.me) this.typing.set(event.conversation, event.address, event.state);
        break;
      case 'presence':
        this.people.setPresence(event.presence);
        break;
      case 'invitation':
        this.#invited(event);
        break;
      case 'member':
      case 'member_removed':
        this.#aged.add(event.room);
        break;
      case 'ended':
        break;
    }
    for (const listener of this.#listeners) listener(event);
  }

  /** Shows an invitation, unless it is into a room that one belongs to already. */
  #invited({ room, from, reason }: Omit<Invitation, 'name'>): void {
    this.dismissInvitation(room);
    if (this.conversations.get(room)) return;
    const invitation: Invitation = { room, from, name: localPart(room), ...(reason === undefined ? {} : { reason }) };
    this.invitations = [...this.invitations, invitation];
    // A room that may not be asked about yet keeps the name in its address.
    this.call('room.get', { room })
      .then(({ room: { name } }) => {
        this.invitations = this.invitations.map((one) => (one.room === room ? { ...one, name } : one));
      })
      .catch(() => undefined);
  }

  #conversation(conversation: Conversation, version: Position): void {
    this.conversations.put(conversation, version);
    if (conversation.kind === 'room') this.dismissInvitation(conversation.address);
    this.#heard(conversation);
  }

  #heard(conversation: Conversation): void {
    if (conversation.kind !== 'room') this.people.hear(conversation.address, conversation.name);
    this.drafts.receive(conversation.address, conversation.draft);
  }

  #message(message: Message, version: Position): void {
    this.people.hear(message.from.address, message.from.name);
    if (message.from.address === this.me) this.outbox.acknowledged(message);
    else if (message.kind === 'message') this.typing.set(message.conversation, message.from.address, 'paused');
    if ((this.#fresh.get(message.id)?.version ?? -1) > version) return;
    this.#fresh.set(message.id, { message, version });
    if (this.#fresh.size > FRESH_KEPT) {
      const [oldest] = this.#fresh.keys();
      if (oldest !== undefined) this.#fresh.delete(oldest);
    }
    this.#timelines.get(message.conversation)?.receive(message, version);
    this.threads.receive(message, version);
    if (this.conversations.message(message, version, this.me, this.isNamed(message))) return;
    this.#missing.add(message.conversation);
    void this.#fetchMissing();
  }

  async #fetchMissing(): Promise<void> {
    if (this.link !== 'online') return;
    for (const address of [...this.#missing]) {
      this.#missing.delete(address);
      const asOf = this.client.version;
      try {
        const { conversation } = await this.call('conversation.get', { conversation: address });
        this.#conversation(conversation, asOf);
      } catch (error) {
        if (isPassing(error)) this.#missing.add(address);
      }
    }
  }

  #forget(): void {
    this.ready = false;
    this.#isOpened = false;
    this.account = undefined;
    this.#keptFor = undefined;
    this.#timelines.clear();
    this.#fresh.clear();
    this.threads.clear();
    this.typing.clear();
    this.conversations.replaceAll([], 0);
    this.people.replaceAll({ contacts: [], presences: [], blocked: [] });
    this.scheduled = [];
    this.invitations = [];
    this.#keep(new KeyedInMemory());
  }
}
