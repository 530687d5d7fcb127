// What travels between the web client and the server: the types of the JSON face.

/** A bare JID of an account or a room. */
export type Address = string;
/** Microseconds since the Unix epoch, strictly rising over the server: a place in a timeline, and a version. */
export type Position = number;
/** Opaque. */
export type MessageId = string;

export interface Sender {
  address: Address;
  name: string;
  nick?: string;
}

/** `begin` and `end` count code points of the text. */
export interface Mention {
  kind: 'person' | 'room' | 'online';
  address?: Address;
  begin: number;
  end: number;
}

export interface Attachment {
  url: string;
  name: string;
  type: string;
  bytes: number;
  width?: number;
  height?: number;
  duration_ms?: number;
  voice?: true;
  thumbnail?: string;
  missing?: true;
}

export interface ReplyTo {
  id: MessageId;
  from?: Sender;
  text?: string;
  missing?: true;
}

export interface Replies {
  count: number;
  last: Position;
  people: Address[];
}

export interface Reaction {
  emoji: string;
  by: Address[];
}

export interface Poll {
  question: string;
  options: string[];
  multiple: boolean;
  closed?: true;
}

export interface Payload {
  type: string;
  value: unknown;
}

export interface Message {
  id: MessageId;
  conversation: Address;
  position: Position;
  client_id?: string;
  from: Sender;
  kind: 'message' | 'system';
  text: string;
  mentions?: Mention[];
  attachments?: Attachment[];
  reply_to?: ReplyTo;
  thread?: MessageId;
  replies?: Replies;
  reactions?: Reaction[];
  edited?: { at_ms: number; count: number };
  recalled?: { at_ms: number; by?: Address; reason?: string };
  pinned?: { by: Address; at_ms: number };
  poll?: Poll;
  payloads?: Payload[];
  encrypted?: true;
  saved?: true;
}

export interface ConversationSettings {
  favourite?: true;
  section?: string;
  order?: number;
  hidden?: boolean;
  /** 0 is for ever. */
  muted_until_ms?: number;
  notify?: 'all' | 'mentions' | 'nothing';
  keywords?: string[];
  marked_unread?: true;
}

export interface Draft {
  text: string;
  reply_to?: MessageId;
  thread?: MessageId;
  changed_ms: number;
}

export interface Room {
  address: Address;
  name: string;
  topic?: string;
  description?: string;
  public: boolean;
  members_only: boolean;
  announcements_only: boolean;
  archived: boolean;
  persistent: boolean;
  role: 'owner' | 'admin' | 'member' | 'none';
  may_write: boolean;
  may_invite: boolean;
  member_count: number;
  avatar?: string;
}

export interface Conversation {
  address: Address;
  kind: 'direct' | 'room' | 'self';
  name: string;
  avatar?: string;
  last?: Message;
  seen: Position;
  /** At most 100. */
  unread: number;
  mentions: number;
  peer_seen?: Position;
  settings: ConversationSettings;
  draft?: Draft;
  room?: Room;
}

export interface Member {
  address: Address;
  name: string;
  role: 'owner' | 'admin' | 'member' | 'banned';
  nick?: string;
  online: boolean;
  seen?: Position;
}

export interface Contact {
  address: Address;
  name?: string;
  groups: string[];
  subscription: 'none' | 'to' | 'from' | 'both';
  asking?: true;
  requested?: true;
}

export type Show = 'online' | 'away' | 'busy' | 'offline';

export interface Presence {
  address: Address;
  show: Show;
  text?: string;
  emoji?: string;
  until_ms?: number;
  idle_since_ms?: number;
  last_seen_ms?: number;
}

export interface Person {
  address: Address;
  name: string;
  avatar?: string;
  title?: string;
  department?: string;
  phone?: string;
  mail?: string;
}

export interface Account extends Person {
  role: 'user' | 'administrator';
}

export interface Thread {
  root: Message;
  conversation: Address;
  seen: Position;
  unread: number;
  mentions: number;
  following: boolean;
  last: Position;
}

export interface Scheduled {
  id: string;
  conversation: Address;
  at_ms: number;
  text: string;
  attachments?: Attachment[];
  failed?: string;
}

export interface QuietHours {
  days: number[];
  from: string;
  to: string;
  zone: string;
}

export interface Preferences {
  theme: 'system' | 'light' | 'dark' | 'contrast';
  density: 'comfortable' | 'compact';
  language?: string;
  enter_sends: boolean;
  notify: 'all' | 'mentions' | 'nothing';
  keywords: string[];
  sound: boolean;
  desktop: boolean;
  previews_in_push: boolean;
  quiet_hours?: QuietHours;
  open_at: 'last_read' | 'newest';
  sections: { id: string; name: string; collapsed?: true }[];
  auto_away_minutes: number;
  client: Record<string, unknown>;
}

export interface Device {
  id: string;
  name: string;
  client: string;
  face: 'json' | 'xmpp' | 'websocket';
  address?: string;
  last_seen_ms: number;
  online: boolean;
  current: boolean;
}

export interface Server {
  name: string;
  domains: string[];
  version: string;
  time_ms: number;
  features: string[];
}

export interface Limits {
  frame_bytes: number;
  page: number;
}

export type Credentials =
  | { type: 'password'; address: Address; password: string }
  | { type: 'token'; token: string }
  | { type: 'invitation'; token: string; name: string; password: string };

export interface SignedIn {
  account: Account;
  token?: string;
  session: string;
  server: Server;
  limits: Limits;
}

export interface Snapshot {
  version: Position;
  conversations: Conversation[];
  contacts: Contact[];
  presences: Presence[];
  blocked: Address[];
  preferences: Preferences;
  scheduled: Scheduled[];
  /** Where the conversations go on that are not in it. */
  next?: Position;
  /** Conversations for which there was no room in it. */
  missing?: Address[];
}

export interface Changes {
  version: Position;
  events: ServerEvent[];
  more: boolean;
  reset: boolean;
  /** These, and all rooms that one belongs to, stand on the last page only. */
  contacts?: Contact[];
  presences?: Presence[];
  blocked?: Address[];
  rooms?: Address[];
}

export type EndReason = 'signed_out' | 'revoked' | 'replaced' | 'too_slow' | 'ended' | 'shutdown';

type What =
  | { type: 'message'; message: Message }
  | { type: 'conversation'; conversation: Conversation }
  | { type: 'conversation_removed'; address: Address }
  | { type: 'read'; conversation: Address; address: Address; position: Position }
  | { type: 'draft'; conversation: Address; draft?: Draft }
  | { type: 'preferences'; preferences: Preferences }
  | { type: 'scheduled'; scheduled: Scheduled }
  | { type: 'scheduled_removed'; id: string }
  | { type: 'thread'; thread: Thread }
  | { type: 'saved'; conversation: Address; id: MessageId; saved: boolean }
  | { type: 'contact'; contact: Contact }
  | { type: 'contact_removed'; address: Address }
  | { type: 'blocked'; addresses: Address[] }
  | { type: 'room'; room: Room }
  | { type: 'member'; room: Address; member: Member }
  | { type: 'member_removed'; room: Address; address: Address }
  | { type: 'typing'; conversation: Address; address: Address; state: 'composing' | 'paused' }
  | { type: 'presence'; presence: Presence }
  | { type: 'invitation'; room: Address; from: Address; reason?: string }
  | { type: 'ended'; reason: EndReason };

/** What the server tells unasked. With a `version`, everything up to there has been told. */
export type ServerEvent = What & { version?: Position };

/** A change in which `null` clears a field and an absent one stays as it is. */
export type Partially<T> = { [K in keyof T]?: T[K] | null };

export interface SendParams {
  conversation: Address;
  client_id: string;
  text?: string;
  mentions?: Mention[];
  attachments?: Attachment[];
  reply_to?: MessageId;
  thread?: MessageId;
  poll?: Poll;
  payloads?: Payload[];
}

type Paged = { before?: Position; limit?: number };
type InConversation = { conversation: Address };
type OfMessage = { conversation: Address; id: MessageId };
type Nothing = Record<string, never>;

/** Every method: what it takes, and what it answers. */
export interface Methods {
  'session.sign_in': [
    {
      protocol: 1;
      credentials: Credentials;
      client: { name: string; device: string; version?: string };
      remember?: boolean;
    },
    SignedIn,
  ];
  'session.sign_out': [Nothing, Nothing];
  'session.ping': [Nothing, { time_ms: number }];
  'session.active': [{ active: boolean }, Nothing];
  'session.renew': [Nothing, { token: string }];
  'sync.open': [Nothing, Snapshot];
  'sync.changes': [{ since: Position }, Changes];
  'device.list': [Nothing, { devices: Device[] }];
  'device.end': [{ id: string }, Nothing];
  'conversation.list': [Paged, { conversations: Conversation[]; more: boolean; next?: Position; missing?: Address[] }];
  'conversation.get': [InConversation, { conversation: Conversation }];
  'conversation.open': [InConversation, { conversation: Conversation }];
  'conversation.history': [
    InConversation & { before?: Position; after?: Position; around?: Position; limit?: number },
    { messages: Message[]; more_before: boolean; more_after: boolean },
  ];
  'conversation.read': [InConversation & { position: Position }, { conversation: Conversation }];
  'conversation.unread': [InConversation & { position: Position }, { conversation: Conversation }];
  'conversation.configure': [
    InConversation & { settings: Partially<ConversationSettings> },
    { conversation: Conversation },
  ];
  'conversation.draft': [
    InConversation & { draft: { text: string; reply_to?: MessageId; thread?: MessageId } | null },
    Nothing,
  ];
  'conversation.typing': [InConversation & { state: 'composing' | 'paused' }, Nothing];
  'conversation.pins': [InConversation, { messages: Message[] }];
  'message.send': [SendParams, { message: Message }];
  /** Only of a server with the feature of this name: an own poll takes no more votes. */
  'message.close_poll': [OfMessage, { message: Message }];
  'message.edit': [OfMessage & { text: string; mentions?: Mention[] }, { message: Message }];
  'message.recall': [OfMessage & { reason?: string }, { message: Message }];
  'message.react': [OfMessage & { emojis: string[] }, { message: Message }];
  'message.get': [OfMessage, { message: Message }];
  'message.versions': [OfMessage, { versions: { text: string; at_ms: number }[] }];
  'message.readers': [OfMessage, { read: Person[]; unread: Person[] }];
  'message.pin': [OfMessage & { pinned: boolean }, { message: Message }];
  'message.save': [OfMessage & { saved: boolean }, { message: Message }];
  'thread.get': [
    InConversation & { root: MessageId; before?: Position; limit?: number },
    { thread: Thread; messages: Message[]; more: boolean },
  ];
  'thread.follow': [InConversation & { root: MessageId; following: boolean }, { thread: Thread }];
  'thread.read': [InConversation & { root: MessageId; position: Position }, { thread: Thread }];
  'thread.list': [Paged, { threads: Thread[]; more: boolean }];
  'inbox.mentions': [Paged, { messages: Message[]; more: boolean }];
  'inbox.saved': [Paged, { messages: Message[]; more: boolean }];
  'search.messages': [
    { text: string; conversation?: Address; before?: Position; limit?: number },
    { messages: Message[]; more: boolean },
  ];
  'scheduled.create': [
    InConversation & { at_ms: number; text: string; attachments?: Attachment[] },
    { scheduled: Scheduled },
  ];
  'scheduled.change': [{ id: string; at_ms?: number; text?: string }, { scheduled: Scheduled }];
  'scheduled.delete': [{ id: string }, Nothing];
  'scheduled.list': [Nothing, { scheduled: Scheduled[] }];
  'people.search': [{ text: string; limit?: number }, { people: Person[]; more: boolean }];
  'people.get': [{ addresses: Address[] }, { people: Person[]; presences: Presence[] }];
  'profile.get': [Nothing, { account: Account }];
  'profile.change': [Partially<Omit<Person, 'address' | 'avatar'>>, { account: Account }];
  'profile.set_avatar': [{ data: string | null; type?: string }, { account: Account }];
  'profile.set_password': [{ old: string; new: string }, Nothing];
  'contact.list': [Nothing, { contacts: Contact[] }];
  'contact.add': [{ address: Address; name?: string; groups?: string[] }, { contact: Contact }];
  'contact.change': [{ address: Address; name?: string; groups?: string[] }, { contact: Contact }];
  'contact.remove': [{ address: Address }, Nothing];
  'contact.accept': [{ address: Address }, Nothing];
  'contact.refuse': [{ address: Address }, Nothing];
  'contact.block': [{ address: Address }, { blocked: Address[] }];
  'contact.unblock': [{ address: Address }, { blocked: Address[] }];
  'presence.set': [
    { show: 'online' | 'away' | 'busy'; text?: string; emoji?: string; until_ms?: number },
    { presence: Presence },
  ];
  'presence.watch': [{ addresses: Address[] }, { presences: Presence[] }];
  'file.begin': [
    { name: string; bytes: number; type: string },
    { upload: { url: string; headers: Record<string, string> }; url: string },
  ];
  'preferences.get': [Nothing, { preferences: Preferences }];
  'preferences.change': [Partially<Preferences>, { preferences: Preferences }];
  'push.key': [Nothing, { key: string }];
  'push.subscribe': [{ endpoint: string; keys: { p256dh: string; auth: string } }, Nothing];
  'push.unsubscribe': [{ endpoint: string }, Nothing];
  'room.create': [
    {
      name: string;
      address?: string;
      public: boolean;
      members_only: boolean;
      topic?: string;
      members?: Address[];
    },
    { room: Room },
  ];
  'room.get': [{ room: Address }, { room: Room }];
  'room.change': [
    {
      room: Address;
      name?: string;
      topic?: string;
      description?: string;
      public?: boolean;
      members_only?: boolean;
      announcements_only?: boolean;
      archived?: boolean;
    },
    { room: Room },
  ];
  'room.members': [
    { room: Address; after?: Address; limit?: number; text?: string },
    { members: Member[]; more: boolean },
  ];
  'room.set_role': [
    { room: Address; address: Address; role: 'owner' | 'admin' | 'member' | 'none' | 'banned' },
    unknown,
  ];
  'room.invite': [{ room: Address; addresses: Address[]; reason?: string }, { refused: Address[] }];
  'room.join': [{ room: Address }, { room: Room }];
  'room.decline': [{ room: Address }, unknown];
  'room.leave': [{ room: Address }, unknown];
  'room.remove': [{ room: Address; address: Address }, unknown];
  'room.delete': [{ room: Address }, unknown];
  'room.browse': [
    { text?: string; after?: Address; limit?: number },
    { rooms: Room[]; more: boolean; next?: Address },
  ];
}

export type Method = keyof Methods;
export type Params<M extends Method> = Methods[M][0];
export type Result<M extends Method> = Methods[M][1];
