// A small server in memory that speaks the JSON face, for tests and for looking at the pages without a real one.
import type { WebSocketLike } from '../api/socket';
import type {
  Account,
  Address,
  Contact,
  Conversation,
  Draft,
  Message,
  MessageId,
  Person,
  Position,
  Preferences,
  Presence,
  Room,
  ServerEvent,
  Thread,
} from '../api/types';

type Json = Record<string, unknown>;

interface Held {
  seen: Map<Address, Position>;
  settings: Map<Address, Conversation['settings']>;
  opened: Set<Address>;
  drafts: Map<Address, Draft>;
  saved: Set<MessageId>;
  log: ServerEvent[];
  preferences: Preferences;
  contacts: Map<Address, Contact>;
}

interface Place {
  address: Address;
  members: Address[];
  room?: Omit<Room, 'role' | 'may_write' | 'may_invite' | 'member_count'>;
  messages: Message[];
  /** One message a client id, so that what is sent twice is there once. */
  sent: Map<string, MessageId>;
}

const PREFERENCES: Preferences = {
  theme: 'system',
  density: 'comfortable',
  enter_sends: true,
  notify: 'mentions',
  keywords: [],
  sound: false,
  desktop: false,
  previews_in_push: true,
  open_at: 'last_read',
  sections: [],
  auto_away_minutes: 10,
  client: {},
};

class Fault extends Error {
  constructor(
    readonly condition: string,
    message: string,
  ) {
    super(message);
  }
}

/** One connection as the client sees it. */
export class FakeSocket implements WebSocketLike {
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  account: Address | undefined;
  isOnline = false;
  isClosed = false;

  constructor(private readonly server: FakeServer) {}

  send(data: string): void {
    if (this.isClosed) throw new Error('closed');
    const frame = JSON.parse(data) as { id: number; method: string; params: Json };
    queueMicrotask(() => this.server.handle(this, frame));
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.server.sockets.delete(this);
    this.onclose?.(undefined as never);
  }

  deliver(frame: unknown): void {
    if (!this.isClosed) this.onmessage?.({ data: JSON.stringify(frame) });
  }
}

export class FakeServer {
  readonly sockets = new Set<FakeSocket>();
  readonly people = new Map<Address, Account & { password: string }>();
  readonly presences = new Map<Address, Presence>();
  readonly places = new Map<string, Place>();
  readonly #held = new Map<Address, Held>();
  readonly #tokens = new Map<string, Address>();
  /** The methods that were called, for tests that count. */
  readonly calls: { method: string; params: Json }[] = [];
  /** Answers are lost while this says so, though the request is carried out. */
  losesAnswer: (method: string) => boolean = () => false;
  refuses: (method: string, params: Json) => string | undefined = () => undefined;
  isDown = false;
  now: Position = 1_764_400_000_000_000;

  /** The next position. */
  tick(byMs = 0): Position {
    this.now += byMs * 1000 + 1;
    return this.now;
  }

  connect(): FakeSocket {
    const socket = new FakeSocket(this);
    if (this.isDown) {
      queueMicrotask(() => socket.close());
      return socket;
    }
    this.sockets.add(socket);
    queueMicrotask(() => socket.onopen?.(undefined as never));
    return socket;
  }

  /** Cuts every connection. */
  cut(): void {
    for (const socket of [...this.sockets]) socket.close();
  }

  addPerson(address: Address, name: string, more: Partial<Account> = {}, password = 'secret'): void {
    this.people.set(address, { address, name, role: 'user', ...more, password });
    this.presences.set(address, { address, show: 'offline' });
  }

  addRoom(address: Address, name: string, members: Address[], more: Partial<Room> = {}): void {
    this.places.set(address, {
      address,
      members,
      room: {
        address,
        name,
        public: true,
        members_only: false,
        announcements_only: false,
        archived: false,
        persistent: true,
        ...more,
      },
      messages: [],
      sent: new Map(),
    });
  }

  of(account: Address): Held {
    let held = this.#held.get(account);
    if (!held) {
      held = {
        seen: new Map(),
        settings: new Map(),
        opened: new Set(),
        drafts: new Map(),
        saved: new Set(),
        log: [],
        preferences: PREFERENCES,
        contacts: new Map(),
      };
      this.#held.set(account, held);
    }
    return held;
  }

  place(from: Address, conversation: Address): Place {
    const room = this.places.get(conversation);
    if (room?.room) return room;
    if (!this.people.has(conversation)) throw new Fault('not_found', 'There is nobody of that address.');
    const key = [from, conversation].sort().join(' ');
    let place = this.places.get(key);
    if (!place) {
      place = { address: key, members: [...new Set([from, conversation])], messages: [], sent: new Map() };
      this.places.set(key, place);
    }
    return place;
  }

  /** Writes a message as somebody would. */
  post(from: Address, conversation: Address, text: string, more: Partial<Message> = {}, afterMs = 1000): Message {
    const place = this.place(from, conversation);
    const known = more.client_id === undefined ? undefined : place.sent.get(`${from} ${more.client_id}`);
    if (known !== undefined) return this.#message(place, known);
    const position = this.tick(afterMs);
    const message: Message = {
      id: `m${position}`,
      conversation,
      position,
      from: { address: from, name: this.people.get(from)?.name ?? from },
      kind: 'message',
      text,
      ...more,
    };
    place.messages.push(message);
    if (more.client_id !== undefined) place.sent.set(`${from} ${more.client_id}`, message.id);
    if (message.thread !== undefined) {
      const root = this.#message(place, message.thread);
      const people = [...new Set([...(root.replies?.people ?? []), from])];
      this.#replace(place, {
        ...root,
        replies: { count: (root.replies?.count ?? 0) + 1, last: position, people },
      });
    }
    this.of(from).seen.set(this.#nameFor(place, from), position);
    this.#tell(place, message, from);
    return message;
  }

  change(place: Place, id: MessageId, change: (message: Message) => Message): Message {
    this.tick();
    return this.#replace(place, change(this.#message(place, id)));
  }

  #message(place: Place, id: MessageId): Message {
    const found = place.messages.find((m) => m.id === id);
    if (!found) throw new Fault('not_found', 'There is no such message.');
    return found;
  }

  #replace(place: Place, message: Message): Message {
    place.messages = place.messages.map((m) => (m.id === message.id ? message : m));
    this.tick();
    this.#tell(place, message);
    return message;
  }

  #nameFor(place: Place, reader: Address): Address {
    return place.room ? place.address : (place.members.find((m) => m !== reader) ?? reader);
  }

  #as(place: Place, reader: Address, message: Message): Message {
    const { client_id, saved: _, ...rest } = message;
    return {
      ...rest,
      conversation: this.#nameFor(place, reader),
      ...(client_id !== undefined && message.from.address === reader ? { client_id } : {}),
      ...(this.of(reader).saved.has(message.id) ? { saved: true as const } : {}),
    };
  }

  #tell(place: Place, message: Message, _from?: Address): void {
    for (const member of place.members) {
      this.emit(member, { type: 'message', message: this.#as(place, member, message) }, true);
    }
  }

  /** Tells every client of an account. What lasts is kept for those who come back. */
  emit(account: Address, event: ServerEvent, lasting = false, except?: FakeSocket): void {
    const told = { ...event, version: this.now };
    if (lasting) this.of(account).log.push(told);
    for (const socket of this.sockets) {
      if (socket.account === account && socket !== except) {
        socket.deliver({ jsonrpc: '2.0', method: 'event', params: told });
      }
    }
  }

  conversation(reader: Address, place: Place): Conversation {
    const address = this.#nameFor(place, reader);
    const held = this.of(reader);
    const seen = held.seen.get(address) ?? 0;
    const unread = place.messages.filter((m) => m.position > seen && m.from.address !== reader && !m.thread);
    const last = place.messages.filter((m) => !m.thread).at(-1);
    const draft = held.drafts.get(address);
    const room = place.room;
    const avatar = room ? undefined : this.people.get(address)?.avatar;
    return {
      address,
      kind: room ? 'room' : address === reader ? 'self' : 'direct',
      name: room?.name ?? this.people.get(address)?.name ?? address,
      ...(avatar === undefined ? {} : { avatar }),
      ...(last ? { last: this.#as(place, reader, last) } : {}),
      seen,
      unread: Math.min(100, unread.length),
      mentions: unread.filter((m) => m.mentions?.some((n) => n.kind !== 'person' || n.address === reader)).length,
      ...(room ? {} : { peer_seen: this.of(address).seen.get(reader) ?? 0 }),
      settings: held.settings.get(address) ?? {},
      ...(draft ? { draft } : {}),
      ...(room ? { room: this.room(reader, place) } : {}),
    };
  }

  room(reader: Address, place: Place): Room {
    if (!place.room) throw new Fault('not_found', 'There is no such room.');
    const isMember = place.members.includes(reader);
    const isOwner = place.members[0] === reader;
    return {
      ...place.room,
      role: isOwner ? 'owner' : isMember ? 'member' : 'none',
      may_write: isMember && (isOwner || !place.room.announcements_only),
      may_invite: isMember,
      member_count: place.members.length,
    };
  }

  #placesOf(reader: Address): Place[] {
    return [...this.places.values()].filter(
      (p) => p.members.includes(reader) && (p.room || p.messages.length > 0 || this.of(reader).opened.has(this.#nameFor(p, reader))),
    );
  }

  handle(socket: FakeSocket, frame: { id: number; method: string; params: Json }): void {
    if (socket.isClosed) return;
    this.calls.push({ method: frame.method, params: frame.params });
    let answer: Json;
    try {
      const refusal = this.refuses(frame.method, frame.params);
      if (refusal !== undefined) throw new Fault(refusal, `Refused: ${refusal}.`);
      answer = { result: this.#answer(socket, frame.method, frame.params) };
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      answer = { error: { code: -1, message: error.message, data: { condition: error.condition } } };
    }
    if (!this.losesAnswer(frame.method)) socket.deliver({ jsonrpc: '2.0', id: frame.id, ...answer });
  }

  #signIn(socket: FakeSocket, params: Json): unknown {
    const by = params.credentials as { type: string; address?: string; password?: string; token?: string };
    const address = by.type === 'token' ? this.#tokens.get(by.token ?? '') : by.address;
    const person = address === undefined ? undefined : this.people.get(address);
    if (!person || (by.type === 'password' && person.password !== by.password)) {
      throw new Fault('unauthorized', 'The credentials are not right.');
    }
    socket.account = person.address;
    const token = `token-${person.address}`;
    this.#tokens.set(token, person.address);
    const { password: _, ...account } = person;
    return {
      account,
      ...(by.type === 'token' ? {} : { token }),
      session: `${person.address}/x`,
      server: { name: 'localhost', domains: ['localhost'], version: '0', time_ms: Math.floor(this.now / 1000), features: ['message.close_poll'] },
      limits: { frame_bytes: 262_144, page: 100 },
    };
  }

  #appear(socket: FakeSocket): void {
    if (!socket.account) return;
    socket.isOnline = true;
    const presence: Presence = { ...this.presences.get(socket.account), address: socket.account, show: 'online' };
    this.presences.set(socket.account, presence);
    for (const other of this.people.keys()) this.emit(other, { type: 'presence', presence }, false, socket);
  }

  #answer(socket: FakeSocket, method: string, params: Json): unknown {
    if (method === 'session.sign_in') return this.#signIn(socket, params);
    const me = socket.account;
    if (me === undefined) throw new Fault('unauthorized', 'Nobody has signed in.');
    const held = this.of(me);
    const named = () => this.place(me, params.conversation as Address);
    const told = (place: Place) => ({ conversation: this.conversation(me, place) });
    const conversationChanged = (place: Place) => {
      this.tick();
      const answer = told(place);
      this.emit(me, { type: 'conversation', ...answer }, true);
      return answer;
    };
    const changed = (change: (message: Message) => Message) => {
      const place = named();
      return { message: this.#as(place, me, this.change(place, params.id as MessageId, change)) };
    };
    switch (method) {
      case 'session.ping':
        return { time_ms: Math.floor(this.now / 1000) };
      case 'session.active':
      case 'session.sign_out':
        return {};
      case 'sync.open':
        this.#appear(socket);
        return {
          version: this.now,
          conversations: this.#placesOf(me).map((p) => this.conversation(me, p)),
          contacts: [...held.contacts.values()],
          presences: [...this.presences.values()],
          blocked: [],
          preferences: held.preferences,
          scheduled: [],
        };
      case 'sync.changes': {
        this.#appear(socket);
        const missed = held.log.filter((e) => (e.version ?? 0) > (params.since as number));
        const events = missed.slice(0, 100);
        const more = missed.length > events.length;
        return {
          version: more ? events.at(-1)?.version : this.now,
          events,
          more,
          reset: false,
          contacts: [...held.contacts.values()],
          presences: [...this.presences.values()],
          blocked: [],
        };
      }
      case 'conversation.open':
        held.opened.add(params.conversation as Address);
        return conversationChanged(named());
      case 'conversation.get':
        return told(named());
      case 'conversation.history':
        return this.#history(me, named(), params);
      case 'conversation.read': {
        const place = named();
        const address = params.conversation as Address;
        held.seen.set(address, Math.max(held.seen.get(address) ?? 0, params.position as number));
        const { marked_unread: _, ...settings } = held.settings.get(address) ?? {};
        held.settings.set(address, settings);
        const answer = conversationChanged(place);
        for (const other of place.members) {
          if (other !== me) {
            this.emit(other, {
              type: 'read',
              conversation: this.#nameFor(place, other),
              address: me,
              position: params.position as number,
            });
          }
        }
        return answer;
      }
      case 'conversation.unread':
        held.seen.set(params.conversation as Address, (params.position as number) - 1);
        return conversationChanged(named());
      case 'conversation.configure': {
        const merged = { ...held.settings.get(params.conversation as Address), ...(params.settings as Json) };
        const settings = Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null));
        held.settings.set(params.conversation as Address, settings as Conversation['settings']);
        return conversationChanged(named());
      }
      case 'conversation.draft': {
        const draft = params.draft as { text: string } | null;
        const address = params.conversation as Address;
        if (draft) held.drafts.set(address, { ...draft, changed_ms: Math.floor(this.now / 1000) });
        else held.drafts.delete(address);
        return {};
      }
      case 'conversation.typing': {
        const place = named();
        for (const other of place.members) {
          if (other === me) continue;
          this.emit(other, {
            type: 'typing',
            conversation: this.#nameFor(place, other),
            address: me,
            state: params.state as 'composing',
          });
        }
        return {};
      }
      case 'conversation.pins':
        return { messages: named().messages.filter((m) => m.pinned).map((m) => this.#as(named(), me, m)) };
      case 'message.send': {
        const { conversation, client_id, text, reply_to, ...rest } = params as Json & { reply_to?: string };
        const place = named();
        const to = reply_to === undefined ? undefined : place.messages.find((m) => m.id === reply_to);
        const message = this.post(
          me,
          conversation as Address,
          (text as string) ?? '',
          {
            client_id: client_id as string,
            ...(rest as Partial<Message>),
            ...(to ? { reply_to: { id: to.id, from: to.from, text: to.text } } : {}),
          },
          10,
        );
        return { message: this.#as(place, me, message) };
      }
      case 'message.edit':
        return changed((m) => ({
          ...m,
          text: params.text as string,
          edited: { at_ms: Math.floor(this.now / 1000), count: (m.edited?.count ?? 0) + 1 },
        }));
      case 'message.close_poll':
        return changed((m) => (m.poll ? { ...m, poll: { ...m.poll, closed: true } } : m));
      case 'message.recall':
        return changed((m) => ({
          id: m.id,
          conversation: m.conversation,
          position: m.position,
          from: m.from,
          kind: m.kind,
          text: '',
          recalled: { at_ms: Math.floor(this.now / 1000), by: me },
        }));
      case 'message.react':
        return changed((m) => {
          const emojis = params.emojis as string[];
          const reactions = (m.reactions ?? []).map((r) => ({ emoji: r.emoji, by: r.by.filter((a) => a !== me) }));
          for (const emoji of emojis) {
            const known = reactions.find((r) => r.emoji === emoji);
            if (known) known.by.push(me);
            else reactions.push({ emoji, by: [me] });
          }
          return { ...m, reactions: reactions.filter((r) => r.by.length > 0) };
        });
      case 'message.pin':
        return changed((m) => {
          const { pinned: _, ...rest } = m;
          return params.pinned ? { ...rest, pinned: { by: me, at_ms: Math.floor(this.now / 1000) } } : rest;
        });
      case 'message.save':
        if (params.saved) held.saved.add(params.id as string);
        else held.saved.delete(params.id as string);
        return changed((m) => m);
      case 'message.get':
        return { message: this.#as(named(), me, this.#message(named(), params.id as string)) };
      case 'message.readers': {
        const place = named();
        const message = this.#message(place, params.id as string);
        const people = place.members.filter((a) => a !== me).flatMap((a) => this.people.get(a) ?? []);
        const hasRead = (p: Person) =>
          (this.of(p.address).seen.get(this.#nameFor(place, p.address)) ?? 0) >= message.position;
        return { read: people.filter(hasRead), unread: people.filter((p) => !hasRead(p)) };
      }
      case 'thread.get': {
        const place = named();
        return {
          thread: this.#thread(me, place, params.root as string),
          messages: place.messages.filter((m) => m.thread === params.root).map((m) => this.#as(place, me, m)),
          more: false,
        };
      }
      case 'thread.read':
      case 'thread.follow':
        return { thread: this.#thread(me, named(), params.root as string) };
      case 'thread.list':
        return {
          threads: this.#placesOf(me).flatMap((p) =>
            p.messages.filter((m) => m.replies).map((m) => this.#thread(me, p, m.id)),
          ),
          more: false,
        };
      case 'inbox.mentions':
        return this.#found(me, (m) => m.mentions?.some((n) => n.address === me) ?? false);
      case 'inbox.saved':
        return this.#found(me, (m) => held.saved.has(m.id));
      case 'search.messages': {
        const words = (params.text as string).toLowerCase();
        return this.#found(
          me,
          (m) => (words === 'has:file' ? m.attachments !== undefined : m.text.toLowerCase().includes(words)) && m.recalled === undefined,
          params.conversation as Address | undefined,
        );
      }
      case 'people.search': {
        const words = (params.text as string).toLowerCase();
        const people = [...this.people.values()].filter(
          (p) => p.name.toLowerCase().includes(words) || p.address.includes(words),
        );
        return { people: people.map(({ password: _, role: _role, ...p }) => p), more: false };
      }
      case 'people.get': {
        const addresses = params.addresses as Address[];
        return {
          people: addresses.flatMap((a) => {
            const found = this.people.get(a);
            if (!found) return [];
            const { password: _, role: _role, ...person } = found;
            return [person];
          }),
          presences: addresses.flatMap((a) => this.presences.get(a) ?? []),
        };
      }
      case 'presence.watch':
        return { presences: (params.addresses as Address[]).flatMap((a) => this.presences.get(a) ?? []) };
      case 'presence.set': {
        const presence = { address: me, ...params } as Presence;
        this.presences.set(me, presence);
        for (const other of this.people.keys()) this.emit(other, { type: 'presence', presence });
        return { presence };
      }
      case 'preferences.change':
        held.preferences = { ...held.preferences, ...params };
        this.emit(me, { type: 'preferences', preferences: held.preferences }, true);
        return { preferences: held.preferences };
      case 'device.list':
        return {
          devices: [
            { id: 'd1', name: 'Firefox on Linux', client: 'Waxwing', face: 'json', last_seen_ms: Math.floor(this.now / 1000), online: true, current: true },
            { id: 'd2', name: 'Pixel 9', client: 'Conversations 2.17', face: 'xmpp', last_seen_ms: Math.floor(this.now / 1000) - 7_200_000, online: false, current: false },
          ],
        };
      case 'room.create': {
        const name = params.name as string;
        const address = `${name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}@rooms.localhost`;
        this.addRoom(address, name, [me, ...((params.members as Address[] | undefined) ?? [])], {
          public: params.public as boolean,
          members_only: params.members_only as boolean,
          ...(params.topic === undefined ? {} : { topic: params.topic as string }),
        });
        const place = this.places.get(address) as Place;
        this.tick();
        for (const member of place.members) {
          this.emit(member, { type: 'conversation', conversation: this.conversation(member, place) }, true);
        }
        return { room: this.room(me, place) };
      }
      case 'room.get':
        return { room: this.room(me, this.place(me, params.room as Address)) };
      case 'room.change': {
        const place = this.place(me, params.room as Address);
        const { room: _, ...change } = params;
        if (place.room) place.room = { ...place.room, ...change };
        for (const member of place.members) this.emit(member, { type: 'room', room: this.room(member, place) });
        return { room: this.room(me, place) };
      }
      case 'room.members': {
        const place = this.place(me, params.room as Address);
        return {
          members: place.members.map((address, index) => ({
            address,
            name: this.people.get(address)?.name ?? address,
            role: index === 0 ? 'owner' : 'member',
            online: this.presences.get(address)?.show !== 'offline',
          })),
          more: false,
        };
      }
      case 'room.join': {
        const place = this.place(me, params.room as Address);
        if (!place.members.includes(me)) place.members.push(me);
        this.emit(me, { type: 'conversation', conversation: this.conversation(me, place) }, true);
        return { room: this.room(me, place) };
      }
      case 'room.leave': {
        const place = this.place(me, params.room as Address);
        place.members = place.members.filter((m) => m !== me);
        this.emit(me, { type: 'conversation_removed', address: place.address }, true);
        return {};
      }
      case 'room.invite':
        return { refused: [] };
      case 'room.browse': {
        const words = ((params.text as string | undefined) ?? '').toLowerCase();
        const rooms = [...this.places.values()].filter((p) => p.room?.public).map((p) => this.room(me, p));
        return { rooms: rooms.filter((r) => r.name.toLowerCase().includes(words)), more: false };
      }
      default:
        throw new Fault('method_not_found', `There is no method ${method}.`);
    }
  }

  #found(me: Address, wanted: (m: Message) => boolean, conversation?: Address): unknown {
    const messages = this.#placesOf(me)
      .filter((p) => conversation === undefined || this.#nameFor(p, me) === conversation)
      .flatMap((p) => p.messages.filter(wanted).map((m) => this.#as(p, me, m)))
      .sort((a, b) => b.position - a.position)
      .slice(0, 50);
    return { messages, more: false };
  }

  #thread(me: Address, place: Place, root: MessageId): Thread {
    const replies = place.messages.filter((m) => m.thread === root);
    return {
      root: this.#as(place, me, this.#message(place, root)),
      conversation: this.#nameFor(place, me),
      seen: replies.at(-1)?.position ?? 0,
      unread: 0,
      mentions: 0,
      following: true,
      last: replies.at(-1)?.position ?? 0,
    };
  }

  #history(me: Address, place: Place, params: Json): unknown {
    const limit = (params.limit as number | undefined) ?? 50;
    const all = place.messages.filter((m) => m.thread === undefined);
    let from = Math.max(0, all.length - limit);
    let to = all.length;
    const index = (position: Position) => {
      const found = all.findIndex((m) => m.position >= position);
      return found < 0 ? all.length : found;
    };
    if (params.before !== undefined) {
      to = index(params.before as number);
      from = Math.max(0, to - limit);
    } else if (params.after !== undefined) {
      from = index((params.after as number) + 1);
      to = Math.min(all.length, from + limit);
    } else if (params.around !== undefined) {
      from = Math.max(0, index(params.around as number) - Math.floor(limit / 2));
      to = Math.min(all.length, from + limit);
    }
    return {
      messages: all.slice(from, to).map((m) => this.#as(place, me, m)),
      more_before: from > 0,
      more_after: to < all.length,
    };
  }
}
