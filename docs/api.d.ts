// The types of Waxwing's JSON face, drawn from the server's own: see docs/api.md. JSON-RPC 2.0 at `/api/socket`.

/** Every method: what it takes and what it answers. */
export interface Methods {
  /** Signs in. The first request on a connection, and the only one until it has succeeded. */
  'session.sign_in': { params: Taken.SessionSignIn; result: Told.SignedIn };
  /** Signs out: the token is withdrawn, and the connection ends. */
  'session.sign_out': { params: Taken.Nothing; result: Told.Nothing };
  /** Answers with the server's clock. */
  'session.ping': { params: Taken.Nothing; result: Told.SessionPong };
  /** Says whether somebody looks at this client. When nobody looks at any of them, one is shown as away. */
  'session.active': { params: Taken.SessionActive; result: Told.Nothing };
  /** Gives a new token for the next time, in place of the one before. */
  'session.renew': { params: Taken.Nothing; result: Told.SessionRenewed };
  /** Tells everything that a client needs to begin. From then on it is shown to others, and told what happens. */
  'sync.open': { params: Taken.Nothing; result: Told.Snapshot };
  /** Tells what changed behind a version, page by page. From then on the client is shown to others, and told what happens. */
  'sync.changes': { params: Taken.SyncChanges; result: Told.ChangesGot };
  /** Lists conversations with people, those that were last talked in first; with the first page come all rooms. */
  'conversation.list': { params: Taken.ConversationList; result: Told.ConversationsGot };
  /** Tells of a conversation. */
  'conversation.get': { params: Taken.ConversationNamed; result: Told.ConversationGot };
  /** Has a conversation with a person stand in the list, although nothing was said in it. */
  'conversation.open': { params: Taken.ConversationNamed; result: Told.ConversationGot };
  /** Tells a part of a conversation, oldest message first. */
  'conversation.history': { params: Taken.ConversationHistory; result: Told.HistoryGot };
  /** Has read everything up to a place. Whoever wrote it may see that. */
  'conversation.read': { params: Taken.ConversationPlace; result: Told.ConversationGot };
  /** Has a conversation count as unread from a place on. */
  'conversation.unread': { params: Taken.ConversationPlace; result: Told.ConversationGot };
  /** Keeps a conversation otherwise. */
  'conversation.configure': { params: Taken.ConversationConfigure; result: Told.ConversationGot };
  /** Keeps what one has begun to write, for all devices. */
  'conversation.draft': { params: Taken.ConversationDraft; result: Told.Nothing };
  /** Tells the others that one writes, or has stopped. */
  'conversation.typing': { params: Taken.ConversationTyping; result: Told.Nothing };
  /** Lists the messages that are pinned, the newest pin first. */
  'conversation.pins': { params: Taken.ConversationNamed; result: Told.MessagesGot };
  /** Sends a message. It is answered once the message is safe; sent again with the same `client_id` it is the same message. */
  'message.send': { params: Taken.MessageSend; result: Told.MessageGot };
  /** Tells a message. */
  'message.get': { params: Taken.MessageNamed; result: Told.MessageGot };
  /** Has an own message say something else. */
  'message.edit': { params: Taken.MessageEdit; result: Told.MessageGot };
  /** Takes a message back: an own one, or as a moderator of a room anybody's. */
  'message.recall': { params: Taken.MessageRecall; result: Told.MessageGot };
  /** Reacts to a message; what one thought of it before counts no more. */
  'message.react': { params: Taken.MessageReact; result: Told.MessageGot };
  /** Ends the voting in an own poll, for good. */
  'message.close_poll': { params: Taken.MessageNamed; result: Told.MessageGot };
  /** Lists what a message has said. */
  'message.versions': { params: Taken.MessageNamed; result: Told.MessageVersions };
  /** Lists who has read a message, and who has not. */
  'message.readers': { params: Taken.MessageNamed; result: Told.MessageReaders };
  /** Pins a message, or takes it off. */
  'message.pin': { params: Taken.MessagePin; result: Told.MessageGot };
  /** Saves a message for oneself, or no longer. */
  'message.save': { params: Taken.MessageSave; result: Told.MessageGot };
  /** Tells of a thread and its newest messages. */
  'thread.get': { params: Taken.ThreadGet; result: Told.ThreadGot };
  /** Follows a thread, or no longer. */
  'thread.follow': { params: Taken.ThreadFollow; result: Told.ThreadTold };
  /** Has read a thread up to a place. */
  'thread.read': { params: Taken.ThreadRead; result: Told.ThreadTold };
  /** Lists the threads that one follows, those that were last answered in first. */
  'thread.list': { params: Taken.Paged; result: Told.ThreadsGot };
  /** Lists messages that mention one, the newest first. */
  'inbox.mentions': { params: Taken.Paged; result: Told.MessagesPage };
  /** Lists the messages that one has saved, those saved last first. */
  'inbox.saved': { params: Taken.Paged; result: Told.MessagesPage };
  /** Finds messages by their words, the newest first. In the text may stand from:ADDRESS, in:ADDRESS, has:file, has:image, has:link, has:poll, is:thread, is:mention, and before: and after: with a day like 2026-01-31. */
  'search.messages': { params: Taken.SearchMessages; result: Told.MessagesPage };
  /** Sends a message at a later time. */
  'scheduled.create': { params: Taken.ScheduledCreate; result: Told.ScheduledGot };
  /** Has a message that waits say something else, or be sent at another time. */
  'scheduled.change': { params: Taken.ScheduledChange; result: Told.ScheduledGot };
  /** Does not send a message that waits. */
  'scheduled.delete': { params: Taken.ScheduledNamed; result: Told.Nothing };
  /** Lists the messages that wait to be sent. */
  'scheduled.list': { params: Taken.Nothing; result: Told.ScheduledListed };
  /** Finds people of this server by their names, as far as it lets one look for them. */
  'people.search': { params: Taken.PeopleSearch; result: Told.PeopleFound };
  /** Tells of people, and how those are whose presence one may see. */
  'people.get': { params: Taken.PeopleGet; result: Told.PeopleGot };
  /** Tells of one's own account. */
  'profile.get': { params: Taken.Nothing; result: Told.ProfileGot };
  /** Says something else of oneself, which XMPP clients see as well. */
  'profile.change': { params: Taken.ProfileChange; result: Told.ProfileGot };
  /** Shows another picture of oneself, or none. It is cut down to a small one without anything else in it. */
  'profile.set_avatar': { params: Taken.ProfileSetAvatar; result: Told.ProfileGot };
  /** Sets another password. Everything else that is signed in is signed out, and no token is good any more: ask for another with `session.renew`. */
  'profile.set_password': { params: Taken.ProfileSetPassword; result: Told.Nothing };
  /** Lists the contacts, and those who ask to become one. */
  'contact.list': { params: Taken.Nothing; result: Told.ContactListed };
  /** Puts somebody on the list, and asks to see his presence; he may see ours in turn. */
  'contact.add': { params: Taken.ContactAdd; result: Told.ContactGot };
  /** Gives a contact another name or other groups. */
  'contact.change': { params: Taken.ContactChange; result: Told.ContactGot };
  /** Takes somebody off the list; neither sees the other's presence any more. */
  'contact.remove': { params: Taken.ContactNamed; result: Told.Nothing };
  /** Lets somebody who asked see our presence, and asks to see his. */
  'contact.accept': { params: Taken.ContactNamed; result: Told.Nothing };
  /** Does not let somebody see our presence, who asked or could see it. */
  'contact.refuse': { params: Taken.ContactNamed; result: Told.Nothing };
  /** Lets nothing of somebody through any more; for him we are not there. */
  'contact.block': { params: Taken.ContactNamed; result: Told.ContactsBlocked };
  /** Lets somebody through again. */
  'contact.unblock': { params: Taken.ContactNamed; result: Told.ContactsBlocked };
  /** Says how one is, on all devices of this face, until something else is said or the time is over. */
  'presence.set': { params: Taken.PresenceSet; result: Told.PresenceGot };
  /** Has this connection be told how these colleagues are, contacts or not, for as long as it names them. */
  'presence.watch': { params: Taken.PresenceWatch; result: Told.PresencesGot };
  /** Makes a room and owns it. */
  'room.create': { params: Taken.RoomCreate; result: Told.RoomGot };
  /** Tells of a room. */
  'room.get': { params: Taken.RoomNamed; result: Told.RoomGot };
  /** Changes a room. Its owners may. */
  'room.change': { params: Taken.RoomChange; result: Told.RoomGot };
  /** Lists who belongs to a room; for admins those, too, who are banned. */
  'room.members': { params: Taken.RoomMembers; result: Told.RoomMembersGot };
  /** Makes somebody something else in a room. */
  'room.set_role': { params: Taken.RoomSetRole; result: Told.Nothing };
  /** Brings people into a room: they belong to it at once, and are told by whom. */
  'room.invite': { params: Taken.RoomInvite; result: Told.RoomInvited };
  /** Belongs to an open room from now on. */
  'room.join': { params: Taken.RoomNamed; result: Told.RoomGot };
  /** Does not want to belong to a room that one was brought into. */
  'room.decline': { params: Taken.RoomNamed; result: Told.Nothing };
  /** Belongs to a room no longer. */
  'room.leave': { params: Taken.RoomNamed; result: Told.Nothing };
  /** Takes somebody out of a room. */
  'room.remove': { params: Taken.RoomRemove; result: Told.Nothing };
  /** Ends a room; nothing of it can be read any more. Its owners may. */
  'room.delete': { params: Taken.RoomNamed; result: Told.Nothing };
  /** Finds public rooms. */
  'room.browse': { params: Taken.RoomBrowse; result: Told.RoomsFound };
  /** Asks for a place for a file. Its content is put there next, and a message names it then. */
  'file.begin': { params: Taken.FileBegin; result: Told.FileBegun };
  /** Tells what one prefers. */
  'preferences.get': { params: Taken.Nothing; result: Told.PreferencesGot };
  /** Prefers something else. What is absent stays as it is, `null` is as at the beginning. */
  'preferences.change': { params: Taken.PreferencesChange; result: Told.PreferencesGot };
  /** Lists the devices of the account. */
  'device.list': { params: Taken.Nothing; result: Told.DeviceListed };
  /** Signs a device out: its sessions end, and its token is withdrawn. */
  'device.end': { params: Taken.DeviceEnd; result: Told.Nothing };
  /** Tells the key by which push services know this server. */
  'push.key': { params: Taken.Nothing; result: Told.PushKey };
  /** Pushes to this device from now on. */
  'push.subscribe': { params: Taken.PushSubscribe; result: Told.Nothing };
  /** No longer pushes by a subscription. */
  'push.unsubscribe': { params: Taken.PushUnsubscribe; result: Told.Nothing };
  /** Lists the account's tokens for programs. */
  'token.list': { params: Taken.Nothing; result: Told.TokenListed };
  /** Makes a token by which a program acts for the account. */
  'token.create': { params: Taken.TokenCreate; result: Told.TokenCreated };
  /** Withdraws a token. */
  'token.delete': { params: Taken.TokenDelete; result: Told.Nothing };
}

/** Why requests are refused, with the numbers that stand for it. */
export interface Conditions {
  /** The frame is not JSON. */
  parse_error: -32700;
  /** The frame is not a request of JSON-RPC 2.0. */
  invalid_request: -32600;
  /** There is no such method. */
  method_not_found: -32601;
  /** A field is not what it should be. */
  invalid_params: -32602;
  /** The server failed. Try again in a moment. */
  internal: -32603;
  /** The credentials are not right. */
  unauthorized: -32001;
  /** This account may not do that. */
  forbidden: -32002;
  /** There is no such thing, or this account may not see it. */
  not_found: -32003;
  /** That contradicts what is there. */
  conflict: -32004;
  /** There are too many already. */
  limit_exceeded: -32005;
  /** That cannot be done now. Try again in a moment. */
  unavailable: -32006;
  /** That is not there any more. */
  gone: -32008;
  /** One of the two has blocked the other. */
  blocked: -32009;
  /** That is not allowed. */
  not_allowed: -32010;
}

/** What the server takes. */
export namespace Taken {
  /** A file that goes with a message. */
  interface Attachment {
    /** Its size. */
    bytes: number;
    /** How long it plays. */
    duration_ms?: number | null;
    /** The height of a picture or video, in pixels. */
    height?: number | null;
    /** The file is gone. */
    missing?: boolean;
    /** Its name. */
    name: string;
    /** Where a small picture of it is. */
    thumbnail?: string | null;
    /** Its media type. */
    type: string;
    /** Where it is: a path on this origin for files of this server. */
    url: string;
    /** It is a voice message. */
    voice?: boolean;
    /** The width of a picture or video, in pixels. */
    width?: number | null;
  }
  /** The program that signs in. */
  interface Client {
    /** An id of its own for this device, the same each time it comes, such as a random UUID. */
    device: string;
    /** What it is called. */
    name: string;
    /** Its version. */
    version?: string | null;
  }
  /** A contact is to be added. */
  interface ContactAdd {
    /** The contact's address. */
    address: string;
    /** The groups to be in. */
    groups?: string[];
    /** The name to give. */
    name?: string | null;
  }
  /** A contact is to be changed. What is absent stays as it is, and `null` takes it away. */
  interface ContactChange {
    /** The contact's address. */
    address: string;
    /** The groups to be in. */
    groups?: string[] | null;
    /** The name to give. */
    name?: string | null;
  }
  /** A contact, or somebody who asks to become one. */
  interface ContactNamed {
    /** The address. */
    address: string;
  }
  /** A change of how one keeps a conversation. What is absent stays as it is, `null` clears. */
  interface ConversationConfigure {
    /** The conversation. */
    conversation: string;
    /** What is changed. */
    settings: SettingsChange;
  }
  /** What one has begun to write. */
  interface ConversationDraft {
    /** The conversation. */
    conversation: string;
    /** The draft; `null` if there is none any more. */
    draft?: DraftWritten | null;
  }
  /** A part of a conversation is asked for. At most one of the three places may be there; without any it is the end. */
  interface ConversationHistory {
    /** Directly behind this place. */
    after?: number | null;
    /** On both sides of this place. */
    around?: number | null;
    /** Directly before this place. */
    before?: number | null;
    /** The conversation. */
    conversation: string;
    /** How many messages at most. */
    limit?: number | null;
  }
  /** Conversations are asked for. */
  interface ConversationList {
    /** Only those that were last talked in before this place. */
    before?: number | null;
    /** How many at most. */
    limit?: number | null;
  }
  /** A conversation, named. */
  interface ConversationNamed {
    /** The person's or the room's address. */
    conversation: string;
  }
  /** A place in a conversation. */
  interface ConversationPlace {
    /** The conversation. */
    conversation: string;
    /** The place. */
    position: number;
  }
  /** That one writes, or has stopped. */
  interface ConversationTyping {
    /** The conversation. */
    conversation: string;
    /** Which of the two. */
    state: Typing;
  }
  /** How close things stand together. */
  type Density = 'comfortable' | 'compact';
  /** Signs a device out. */
  interface DeviceEnd {
    /** Its id. */
    id: string;
  }
  /** A draft as its writer has it. */
  interface DraftWritten {
    /** The message that it answers. */
    reply_to?: string | null;
    /** The text. */
    text: string;
    /** The thread it is for. */
    thread?: string | null;
  }
  /** A file that is to be uploaded. */
  interface FileBegin {
    /** Its length. */
    bytes: number;
    /** Its name. */
    name: string;
    /** Its media type. */
    type: string;
  }
  /** A place in the text that stands for somebody (XEP-0372). */
  interface Mention {
    /** The person's address. */
    address?: string | null;
    /** Where it begins, in code points. */
    begin: number;
    /** Where it ends, in code points. */
    end: number;
    /** Who is mentioned. */
    kind: MentionKind;
  }
  /** Who is mentioned. */
  type MentionKind = 'person' | 'room' | 'online';
  /** A message that is to say something else. */
  interface MessageEdit {
    /** The conversation. */
    conversation: string;
    /** The message, which must be one's own. */
    id: string;
    /** Who is mentioned in the text. */
    mentions?: Mention[];
    /** What it says from now on. */
    text: string;
  }
  /** A message, named. */
  interface MessageNamed {
    /** The conversation. */
    conversation: string;
    /** The message. */
    id: string;
  }
  /** A message that is to be pinned, or not any more. */
  interface MessagePin {
    /** The conversation. */
    conversation: string;
    /** The message. */
    id: string;
    /** Whether it is pinned. */
    pinned: boolean;
  }
  /** What one thinks of a message. */
  interface MessageReact {
    /** The conversation. */
    conversation: string;
    /** All emoji that one reacts with from now on; none takes all back. */
    emojis: string[];
    /** The message. */
    id: string;
  }
  /** A message that is to be taken back. */
  interface MessageRecall {
    /** The conversation. */
    conversation: string;
    /** The message: one's own, or in a room that one moderates anybody's. */
    id: string;
    /** Why; told where a moderator takes back what another has said. */
    reason?: string | null;
  }
  /** A message that is to be saved, or not any more. */
  interface MessageSave {
    /** The conversation. */
    conversation: string;
    /** The message. */
    id: string;
    /** Whether it is saved. */
    saved: boolean;
  }
  /** A message that is to be sent. */
  interface MessageSend {
    /** Files that go with it. */
    attachments?: Attachment[];
    /** An id that the client chose. Sent again with the same, it is the same message. */
    client_id: string;
    /** Where to. */
    conversation: string;
    /** Who is mentioned in the text. */
    mentions?: Mention[];
    /** Data for programs. */
    payloads?: Payload[];
    /** A question that it asks. */
    poll?: Poll | null;
    /** The message that it answers. */
    reply_to?: string | null;
    /** What it says. */
    text?: string;
    /** The first message of the thread it is for. */
    thread?: string | null;
  }
  /** Nothing at all. */
  interface Nothing {}
  /** What one wants to be told of. */
  type Notify = 'all' | 'mentions' | 'nothing';
  /** Where a conversation opens. */
  type OpenAt = 'last_read' | 'newest';
  /** A page of what one follows is asked for. */
  interface Paged {
    /** Only what is before this place. */
    before?: number | null;
    /** How many at most. */
    limit?: number | null;
  }
  /** Data for programs (XEP-0335, XEP-0432). */
  interface Payload {
    /** What it is: a name of XEP-0432, or `json` for data without one. */
    type: string;
    /** The data. */
    value: unknown;
  }
  /** People are asked for by their addresses. */
  interface PeopleGet {
    /** The addresses; as many as go on a page. */
    addresses: string[];
  }
  /** Who is looked for. */
  interface PeopleSearch {
    /** How many at most. */
    limit?: number | null;
    /** What a name, a nickname or the first part of the address holds; everybody when it is empty. */
    text: string;
  }
  /** A question with answers to choose from. A vote is a reaction with the keycap of the option. */
  interface Poll {
    /** Nobody can vote any more (`message.close_poll`). */
    closed?: boolean;
    /** Several may be chosen. */
    multiple?: boolean;
    /** The answers, at most ten. */
    options: string[];
    /** What is asked. */
    question: string;
  }
  /** A change of what somebody prefers. */
  interface PreferencesChange {
    /** After how many minutes without doing anything one is away; 0 for never. */
    auto_away_minutes?: number | null;
    /** What a client keeps for itself. */
    client?: Record<string, unknown> | null;
    /** How close things stand together. */
    density?: Density | null;
    /** By the desktop's own notifications. */
    desktop?: boolean | null;
    /** The enter key sends. */
    enter_sends?: boolean | null;
    /** Words that count as a mention. */
    keywords?: string[] | null;
    /** The language, as of BCP 47. */
    language?: string | null;
    /** What to be told of. */
    notify?: Notify | null;
    /** Where a conversation opens. */
    open_at?: OpenAt | null;
    /** Push messages show what was written. */
    previews_in_push?: boolean | null;
    /** When nothing makes a noise. */
    quiet_hours?: QuietHours | null;
    /** The sections of the sidebar. */
    sections?: Section[] | null;
    /** With a sound. */
    sound?: boolean | null;
    /** Light or dark. */
    theme?: Theme | null;
  }
  /** How one is from now on, on all devices. */
  interface PresenceSet {
    /** A picture for it: one emoji. */
    emoji?: string | null;
    /** `online`, `away` or `busy`. Online, one is shown as away where nobody looks at any device. */
    show: Show;
    /** What to say about it. */
    text?: string | null;
    /** When all of that is over by itself, in milliseconds since the Unix epoch. */
    until_ms?: number | null;
  }
  /** Whom one has in view. */
  interface PresenceWatch {
    /** Their addresses, at most 200, in place of those named before. Whoever is of another domain, or is shown to contacts alone, is left out. */
    addresses: string[];
  }
  /** What one says of oneself from now on. What is absent stays as it is, and `null` takes it away. */
  interface ProfileChange {
    /** Where one works. */
    department?: string | null;
    /** A mail address. */
    mail?: string | null;
    /** The name to show. */
    name?: string | null;
    /** A telephone number. */
    phone?: string | null;
    /** What one does. */
    title?: string | null;
  }
  /** Another picture. */
  interface ProfileSetAvatar {
    /** A PNG, JPEG, WebP or GIF in base 64; `null` takes the picture away. It is made small. */
    data?: string | null;
    /** Its media type. What it really is counts. */
    type?: string | null;
  }
  /** Another password. */
  interface ProfileSetPassword {
    /** The new one. */
    new: string;
    /** The one before. */
    old: string;
  }
  /** What messages to a device are encrypted for (RFC 8291), in base 64 for URLs. */
  interface PushKeys {
    /** The secret shared with it. */
    auth: string;
    /** The device's public key. */
    p256dh: string;
  }
  /** A device wants to be pushed to. */
  interface PushSubscribe {
    /** The address of the subscription at the push service. */
    endpoint: string;
    /** What its messages are encrypted for. */
    keys: PushKeys;
  }
  /** A device no longer wants to be pushed to. */
  interface PushUnsubscribe {
    /** The address of the subscription. */
    endpoint: string;
  }
  /** When nothing makes a noise. */
  interface QuietHours {
    /** On which days they begin: 0 for Sunday to 6 for Saturday. */
    days: number[];
    /** When they begin, `HH:MM`. */
    from: string;
    /** When they end, `HH:MM`; if that is earlier than `from`, on the next day. */
    to: string;
    /** The time zone, by its name in the IANA database. */
    zone: string;
  }
  /** What somebody can be made. */
  type RoleGiven = 'owner' | 'admin' | 'member' | 'none' | 'banned';
  /** Which rooms are looked for. */
  interface RoomBrowse {
    /** Where to go on: what `next` said. */
    after?: string | null;
    /** How many at most. */
    limit?: number | null;
    /** What their names, addresses or descriptions hold. */
    text?: string | null;
  }
  /** A change of a room. What is absent stays as it is. */
  interface RoomChange {
    /** Only its owners and admins write. */
    announcements_only?: boolean | null;
    /** Kept for reading, and closed. */
    archived?: boolean | null;
    /** What it is for. */
    description?: string | null;
    /** Only members come in. */
    members_only?: boolean | null;
    /** Its name. */
    name?: string | null;
    /** Found by everybody. */
    public?: boolean | null;
    /** Its address. */
    room: string;
    /** What is being talked about. */
    topic?: string | null;
  }
  /** What is known of a room when it is made. */
  interface RoomCreate {
    /** The first part of its address; made of the name when it is absent. */
    address?: string | null;
    /** Who else belongs to it from the beginning. Those who cannot be brought in are left out. */
    members?: string[];
    /** Only members come in. */
    members_only: boolean;
    /** Its name. */
    name: string;
    /** Found by everybody. */
    public: boolean;
    /** What is being talked about. */
    topic?: string | null;
  }
  /** People to be brought into a room. */
  interface RoomInvite {
    /** Who. */
    addresses: string[];
    /** Why. */
    reason?: string | null;
    /** The room. */
    room: string;
  }
  /** Which members of a room are asked for. */
  interface RoomMembers {
    /** The address behind which the page begins. */
    after?: string | null;
    /** How many at most. */
    limit?: number | null;
    /** Its address. */
    room: string;
    /** What their names or addresses hold. */
    text?: string | null;
  }
  /** A room, named. */
  interface RoomNamed {
    /** Its address. */
    room: string;
  }
  /** Somebody in a room. */
  interface RoomRemove {
    /** Who. */
    address: string;
    /** The room. */
    room: string;
  }
  /** Another role for somebody in a room. */
  interface RoomSetRole {
    /** Who. */
    address: string;
    /** What to be. */
    role: RoleGiven;
    /** The room. */
    room: string;
  }
  /** A message that waits is to be otherwise. What is absent stays as it is. */
  interface ScheduledChange {
    /** When it is sent. */
    at_ms?: number | null;
    /** Its id. */
    id: string;
    /** What it says. */
    text?: string | null;
  }
  /** A message is to be sent later. */
  interface ScheduledCreate {
    /** When, in milliseconds since the Unix epoch. */
    at_ms: number;
    /** Files that go with it. */
    attachments?: Attachment[];
    /** Where it goes. */
    conversation: string;
    /** What it says. */
    text?: string;
  }
  /** A message that waits, named. */
  interface ScheduledNamed {
    /** Its id. */
    id: string;
  }
  /** Messages are searched for. */
  interface SearchMessages {
    /** Only what is before this place. */
    before?: number | null;
    /** Only in this conversation. */
    conversation?: string | null;
    /** How many at most. */
    limit?: number | null;
    /** Words, with operators among them. */
    text: string;
  }
  /** A section of the sidebar. */
  interface Section {
    /** Folded. */
    collapsed?: boolean;
    /** Its id, chosen by the client. */
    id: string;
    /** Its name. */
    name: string;
  }
  /** Says whether somebody looks at this client. */
  interface SessionActive {
    /** Whether somebody does. */
    active: boolean;
  }
  /** Signs in. The first request on a connection. */
  interface SessionSignIn {
    /** The program that signs in. */
    client: Client;
    /** Who it is. */
    credentials: SignInBy;
    /** The version of this protocol: 1. */
    protocol: number;
    /** Ask for a token to sign in with next time. */
    remember?: boolean;
  }
  /** What is changed of how one keeps a conversation. */
  interface SettingsChange {
    /** Among the favourites. */
    favourite?: boolean | null;
    /** Not shown until something new comes. */
    hidden?: boolean | null;
    /** Words that count as a mention here. */
    keywords?: string[] | null;
    /** Marked as unread by hand. */
    marked_unread?: boolean | null;
    /** Until when it makes no noise, in milliseconds since the Unix epoch; 0 for ever. */
    muted_until_ms?: number | null;
    /** What to be told of here, if not as everywhere. */
    notify?: Notify | null;
    /** Its place there. */
    order?: number | null;
    /** The id of the section of the sidebar it stands in. */
    section?: string | null;
  }
  /** Whether somebody is there. */
  type Show = 'online' | 'away' | 'busy' | 'offline';
  /** How somebody shows who he is. */
  type SignInBy = {
    /** The account. */
    address: string;
    /** Its password. */
    password: string;
    type: 'password';
  } | {
    /** The token. */
    token: string;
    type: 'token';
  } | {
    /** The name of the new account: what stands before the `@`. */
    name: string;
    /** Its password. */
    password: string;
    /** The invitation's token. */
    token: string;
    type: 'invitation';
  };
  /** A client comes back, and says what it has. */
  interface SyncChanges {
    /** The version that it has. */
    since: number;
  }
  /** Light or dark. */
  type Theme = 'system' | 'light' | 'dark' | 'contrast';
  /** Whether one wants to be told of a thread. */
  interface ThreadFollow {
    /** The conversation. */
    conversation: string;
    /** Whether to be told. */
    following: boolean;
    /** The message that it began with. */
    root: string;
  }
  /** A page of a thread is asked for. */
  interface ThreadGet {
    /** Only messages before this place. */
    before?: number | null;
    /** The conversation. */
    conversation: string;
    /** How many at most. */
    limit?: number | null;
    /** The message that it began with. */
    root: string;
  }
  /** How far one has read a thread. */
  interface ThreadRead {
    /** The conversation. */
    conversation: string;
    /** Up to where. */
    position: number;
    /** The message that it began with. */
    root: string;
  }
  /** A token that is to be made. */
  interface TokenCreate {
    /** From when on it is refused. */
    expires_ms?: number | null;
    /** What it is called. */
    name: string;
    /** What it may do. */
    scopes: string[];
  }
  /** A token that is to be withdrawn. */
  interface TokenDelete {
    /** Its id. */
    id: string;
  }
  /** What somebody is doing who may be about to send something (XEP-0085). */
  type Typing = 'composing' | 'paused';
}

/** What the server tells. A field that says nothing is absent, never `null`. */
export namespace Told {
  /** A token by which a program acts for the account. */
  interface AccessToken {
    /** When it was made. */
    created_ms: number;
    /** From when on it is refused. */
    expires_ms?: number;
    /** Its id, which is no secret. */
    id: string;
    /** What it is called. */
    name: string;
    /** What it may do. */
    scopes: string[];
    /** About when it was last used. */
    used_ms?: number;
  }
  /** An account, as its owner sees it. */
  interface Account {
    /** The address. */
    address: string;
    /** The hash of the picture, which is found at `/api/avatar/ADDRESS/HASH`. */
    avatar?: string;
    /** Where the person works. */
    department?: string;
    /** A mail address. */
    mail?: string;
    /** The name to show. */
    name: string;
    /** A telephone number. */
    phone?: string;
    /** What it may do with the installation. */
    role: AccountRole;
    /** What the person does here. */
    title?: string;
  }
  /** What an account may do with the installation. */
  type AccountRole = 'user' | 'administrator';
  /** A file that goes with a message. */
  interface Attachment {
    /** Its size. */
    bytes: number;
    /** How long it plays. */
    duration_ms?: number;
    /** The height of a picture or video, in pixels. */
    height?: number;
    /** The file is gone. */
    missing?: boolean;
    /** Its name. */
    name: string;
    /** Where a small picture of it is. */
    thumbnail?: string;
    /** Its media type. */
    type: string;
    /** Where it is: a path on this origin for files of this server. */
    url: string;
    /** It is a voice message. */
    voice?: boolean;
    /** The width of a picture or video, in pixels. */
    width?: number;
  }
  /** What changed meanwhile. */
  interface ChangesGot {
    /** Who is blocked, on the last page. */
    blocked?: string[];
    /** The contacts, on the last page. */
    contacts?: Contact[];
    /** What happened, in order. */
    events: Event[];
    /** There is more: ask again with `version`. */
    more: boolean;
    /** Who of them is there, on the last page. */
    presences?: Presence[];
    /** It cannot be told what changed: begin anew with `sync.open`. */
    reset: boolean;
    /** The addresses of all rooms one belongs to, on the last page: what is not among them is left, what is new is to be asked for with `conversation.get`. */
    rooms?: string[];
    /** Everything up to here has been told. */
    version: number;
  }
  /** What is wrong, for programs. */
  type Condition = 'parse_error' | 'invalid_request' | 'method_not_found' | 'invalid_params' | 'internal' | 'unauthorized' | 'forbidden' | 'not_found' | 'conflict' | 'limit_exceeded' | 'unavailable' | 'gone' | 'blocked' | 'not_allowed';
  /** An entry of the contact list. */
  interface Contact {
    /** The contact's address. */
    address: string;
    /** We have asked to see theirs, and wait for an answer. */
    asking?: boolean;
    /** The groups it is in. */
    groups: string[];
    /** The name that the owner of the list gave. */
    name?: string;
    /** They have asked to see ours, and wait for an answer. */
    requested?: boolean;
    /** Who sees the other's presence. */
    subscription: Subscription;
  }
  /** A contact. */
  interface ContactGot {
    /** The contact as it now is. */
    contact: Contact;
  }
  /** The contact list. */
  interface ContactListed {
    /** Contacts, and those who ask to become one. */
    contacts: Contact[];
  }
  /** Whom one blocks. */
  interface ContactsBlocked {
    /** All of them. */
    blocked: string[];
  }
  /** A conversation, as its owner sees it. */
  interface Conversation {
    /** The person's or the room's address. */
    address: string;
    /** The hash of its picture. */
    avatar?: string;
    /** What the owner has begun to write. */
    draft?: Draft;
    /** With whom one talks. */
    kind: ConversationKind;
    /** The newest message. */
    last?: Message;
    /** How many of them mention the owner, at most 100. */
    mentions: number;
    /** The name to show. */
    name: string;
    /** How far the other has read, in a conversation with one person. */
    peer_seen?: number;
    /** The room, if it is one. */
    room?: Room;
    /** Everything up to here was seen. */
    seen: number;
    /** How its owner keeps it. */
    settings: ConversationSettings;
    /** How many messages of others came since, at most 100. */
    unread: number;
  }
  /** A conversation, told. */
  interface ConversationGot {
    /** The conversation as it now is. */
    conversation: Conversation;
  }
  /** With whom one talks. */
  type ConversationKind = 'direct' | 'room' | 'self';
  /** How its owner keeps a conversation. */
  interface ConversationSettings {
    /** Among the favourites. */
    favourite?: boolean;
    /** Not shown until something new comes. */
    hidden?: boolean;
    /** Words that count as a mention here. */
    keywords?: string[];
    /** Marked as unread by hand. */
    marked_unread?: boolean;
    /** Until when it makes no noise, in milliseconds since the Unix epoch; 0 for ever. */
    muted_until_ms?: number;
    /** What to be told of here, if not as everywhere. */
    notify?: Notify;
    /** Its place there. */
    order?: number;
    /** The id of the section of the sidebar it stands in. */
    section?: string;
  }
  /** A page of conversations. */
  interface ConversationsGot {
    /** Those that were last talked in first. */
    conversations: Conversation[];
    /** Conversations for which there was no room: ask for each with `conversation.get`. */
    missing?: string[];
    /** There are more. */
    more: boolean;
    /** Where to go on. */
    next?: number;
  }
  /** How close things stand together. */
  type Density = 'comfortable' | 'compact';
  /** A device that is signed in, or may sign in without the password. */
  interface Device {
    /** Where it last came from. */
    address?: string;
    /** The program on it. */
    client: string;
    /** Whether it is the one that asks. */
    current: boolean;
    /** The face by which it comes. */
    face: DeviceFace;
    /** Its id. */
    id: string;
    /** When it was last there, in milliseconds since the Unix epoch. */
    last_seen_ms: number;
    /** The name to show. */
    name: string;
    /** Whether it is there now. */
    online: boolean;
  }
  /** The face by which a device comes. */
  type DeviceFace = 'json' | 'xmpp' | 'websocket';
  /** The devices of the account. */
  interface DeviceListed {
    /** Those that are there first, then by when they were last there. */
    devices: Device[];
  }
  /** What somebody has begun to write. */
  interface Draft {
    /** When it was last changed, in milliseconds since the Unix epoch. */
    changed_ms: number;
    /** The message that it answers. */
    reply_to?: string;
    /** The text. */
    text: string;
    /** The thread it is for. */
    thread?: string;
  }
  /** That a message was edited (XEP-0308). */
  interface Edited {
    /** When last. */
    at_ms: number;
    /** How often. */
    count: number;
  }
  /** Why the server ends a session. */
  type EndReason = 'signed_out' | 'revoked' | 'replaced' | 'too_slow' | 'ended' | 'shutdown';
  /** A refusal for programs. */
  interface ErrorData {
    /** What is wrong. */
    condition: Condition;
    /** The field it is about: names and places in lists with dots between them. */
    field?: string;
  }
  /** A refusal as it is written. */
  interface ErrorObject {
    /** The number of the condition. */
    code: number;
    /** The same for programs. */
    data: ErrorData;
    /** A sentence for people, in English. */
    message: string;
  }
  /** Something that happened. What lasts carries the version that the client has once it has applied it. */
  type Event = {
    /** Everything up to here has been told; absent for what passes. */
    version?: number;
  } & ({
    /** The message as it now is. */
    message: Message;
    type: 'message';
  } | {
    /** The conversation as it now is. */
    conversation: Conversation;
    type: 'conversation';
  } | {
    /** Who. */
    address: string;
    /** Where. */
    conversation: string;
    /** Up to where. */
    position: number;
    type: 'read';
  } | {
    /** Where. */
    conversation: string;
    /** What; absent if nothing any more. */
    draft?: Draft;
    type: 'draft';
  } | {
    /** Where it stands. */
    conversation: string;
    /** The message. */
    id: string;
    /** Whether it is saved. */
    saved: boolean;
    type: 'saved';
  } | {
    /** The thread as it now is. */
    thread: Thread;
    type: 'thread';
  } | {
    /** The message as it now is. */
    scheduled: Scheduled;
    type: 'scheduled';
  } | {
    /** Its id. */
    id: string;
    type: 'scheduled_removed';
  } | {
    /** All of it. */
    preferences: Preferences;
    type: 'preferences';
  } | {
    /** Its address. */
    address: string;
    type: 'conversation_removed';
  } | {
    /** The contact as it now is. */
    contact: Contact;
    type: 'contact';
  } | {
    /** Its address. */
    address: string;
    type: 'contact_removed';
  } | {
    /** All who are blocked. */
    addresses: string[];
    type: 'blocked';
  } | {
    /** The room as it now is. */
    room: Room;
    type: 'room';
  } | {
    /** Who, and what in it. */
    member: Member;
    /** The room. */
    room: string;
    type: 'member';
  } | {
    /** Who. */
    address: string;
    /** The room. */
    room: string;
    type: 'member_removed';
  } | {
    /** Who. */
    address: string;
    /** Where. */
    conversation: string;
    /** Which of the two. */
    state: Typing;
    type: 'typing';
  } | {
    /** Who, and what. */
    presence: Presence;
    type: 'presence';
  } | {
    /** Who. */
    from: string;
    /** Why. */
    reason?: string;
    /** The room. */
    room: string;
    type: 'invitation';
  } | {
    /** Why. */
    reason: EndReason;
    type: 'ended';
  });
  /** A place for a file. */
  interface FileBegun {
    /** How its content comes there. */
    upload: FileUpload;
    /** Where it is from then on, and what an attachment names: a path of this server. */
    url: string;
  }
  /** How the content of a file comes to its place: by one request with the method PUT. */
  interface FileUpload {
    /** Headers that the request must have. */
    headers: Record<string, unknown>;
    /** Where to: a path of this server. */
    url: string;
  }
  /** A part of a conversation. */
  interface HistoryGot {
    /** The messages, oldest first. */
    messages: Message[];
    /** There are later ones. */
    more_after: boolean;
    /** There are earlier ones. */
    more_before: boolean;
  }
  /** What is allowed. Beyond it, requests are refused with `too_large` or `limit_exceeded`. */
  interface Limits {
    /** Files that go with a message. */
    attachments: number;
    /** How long after it was sent a message may be edited; 0 for ever. */
    edit_ms: number;
    /** Bytes of one frame. */
    frame_bytes: number;
    /** Mentions in a message. */
    mentions: number;
    /** Things on one page of whatever is read by pages. */
    page: number;
    /** Data for programs that goes with a message. */
    payloads: number;
    /** Different emoji with which one person may react to a message. */
    reactions: number;
    /** How long after it was sent a message may be taken back by whoever sent it; 0 for ever. */
    recall_ms: number;
    /** Bytes of the text of a message. */
    text_bytes: number;
    /** Bytes of one file. */
    upload_bytes: number;
  }
  /** Somebody in a room. */
  interface Member {
    /** The person's address. */
    address: string;
    /** The name to show. */
    name: string;
    /** The nickname there. */
    nick?: string;
    /** Whether the person is there. */
    online: boolean;
    /** What the person is in the room. */
    role: MemberRole;
    /** How far the person has read. */
    seen?: number;
  }
  /** What somebody is in a room. */
  type MemberRole = 'owner' | 'admin' | 'member' | 'banned';
  /** A place in the text that stands for somebody (XEP-0372). */
  interface Mention {
    /** The person's address. */
    address?: string;
    /** Where it begins, in code points. */
    begin: number;
    /** Where it ends, in code points. */
    end: number;
    /** Who is mentioned. */
    kind: MentionKind;
  }
  /** Who is mentioned. */
  type MentionKind = 'person' | 'room' | 'online';
  /** A message as it now is. */
  interface Message {
    /** Files that go with it. */
    attachments?: Attachment[];
    /** The id that its sender's client gave it. */
    client_id?: string;
    /** The conversation it stands in. */
    conversation: string;
    /** That it was edited. */
    edited?: Edited;
    /** It is encrypted from end to end, and this face cannot read it (XEP-0380). */
    encrypted?: boolean;
    /** Who sent it. */
    from: Sender;
    /** Its id in the conversation. */
    id: string;
    /** What kind of message it is. */
    kind: MessageKind;
    /** Who is mentioned in the text. */
    mentions?: Mention[];
    /** Data for programs. */
    payloads?: Payload[];
    /** That it is pinned. */
    pinned?: Pinned;
    /** A question that it asks. */
    poll?: Poll;
    /** Its place there. */
    position: number;
    /** Reactions, the oldest emoji first. */
    reactions?: Reaction[];
    /** That it was taken back; its text and all else is gone then. */
    recalled?: Recalled;
    /** What was answered in its thread, on a root. */
    replies?: Replies;
    /** The message that it answers. */
    reply_to?: ReplyTo;
    /** The one who reads has saved it. It stands in answers; events leave it as it was. */
    saved?: boolean;
    /** The text, with styling as of XEP-0393. */
    text: string;
    /** The root of the thread it is in. */
    thread?: string;
  }
  /** A message, told. */
  interface MessageGot {
    /** The message as it now is. */
    message: Message;
  }
  /** What kind of message it is. */
  type MessageKind = 'message' | 'system';
  /** Who has read a message. */
  interface MessageReaders {
    /** Those who have. */
    read: Person[];
    /** Those who have not. */
    unread: Person[];
  }
  /** What a message said before it was edited. */
  interface MessageVersion {
    /** Since when it said so. */
    at_ms: number;
    /** The text. */
    text: string;
  }
  /** What a message has said. */
  interface MessageVersions {
    /** The oldest first; the last is what it says now. */
    versions: MessageVersion[];
  }
  /** Messages, told. */
  interface MessagesGot {
    /** The messages. */
    messages: Message[];
  }
  /** A page of messages from everywhere, the newest first. */
  interface MessagesPage {
    /** The messages. */
    messages: Message[];
    /** There are more. */
    more: boolean;
    /** Where to go on, as `before`. */
    next?: number;
  }
  /** Nothing at all. */
  interface Nothing {}
  /** What one wants to be told of. */
  type Notify = 'all' | 'mentions' | 'nothing';
  /** Where a conversation opens. */
  type OpenAt = 'last_read' | 'newest';
  /** Data for programs (XEP-0335, XEP-0432). */
  interface Payload {
    /** What it is: a name of XEP-0432, or `json` for data without one. */
    type: string;
    /** The data. */
    value: unknown;
  }
  /** People. */
  interface PeopleFound {
    /** There are more: look for more of a name. */
    more: boolean;
    /** In the order of their addresses. */
    people: Person[];
  }
  /** People, and how they are. */
  interface PeopleGot {
    /** Those that there are, in the order in which they were asked for. */
    people: Person[];
    /** How those are whose presence one may see. */
    presences: Presence[];
  }
  /** Somebody, as everybody may see him. */
  interface Person {
    /** The address. */
    address: string;
    /** The hash of the picture, which is found at `/api/avatar/ADDRESS/HASH`. */
    avatar?: string;
    /** Where the person works. */
    department?: string;
    /** A mail address. */
    mail?: string;
    /** The name to show. */
    name: string;
    /** A telephone number. */
    phone?: string;
    /** What the person does here. */
    title?: string;
  }
  /** That a message is pinned. */
  interface Pinned {
    /** When. */
    at_ms: number;
    /** By whom. */
    by: string;
  }
  /** A question with answers to choose from. A vote is a reaction with the keycap of the option. */
  interface Poll {
    /** Nobody can vote any more (`message.close_poll`). */
    closed?: boolean;
    /** Several may be chosen. */
    multiple: boolean;
    /** The answers, at most ten. */
    options: string[];
    /** What is asked. */
    question: string;
  }
  /** What somebody prefers, on all devices. */
  interface Preferences {
    /** After how many minutes without doing anything one is away; 0 for never. */
    auto_away_minutes: number;
    /** What a client keeps for itself. */
    client: Record<string, unknown>;
    /** How close things stand together. */
    density: Density;
    /** By the desktop's own notifications. */
    desktop: boolean;
    /** The enter key sends. */
    enter_sends: boolean;
    /** Words that count as a mention. */
    keywords: string[];
    /** The language, as of BCP 47; absent for that of the browser. */
    language?: string;
    /** What to be told of. */
    notify: Notify;
    /** Where a conversation opens. */
    open_at: OpenAt;
    /** Push messages show what was written. */
    previews_in_push: boolean;
    /** When nothing makes a noise. */
    quiet_hours?: QuietHours;
    /** The sections of the sidebar. */
    sections: Section[];
    /** With a sound. */
    sound: boolean;
    /** Light or dark. */
    theme: Theme;
  }
  /** What somebody prefers, told. */
  interface PreferencesGot {
    /** All of it. */
    preferences: Preferences;
  }
  /** Presence of an account, of all its clients together. */
  interface Presence {
    /** Whose. */
    address: string;
    /** A picture for it. */
    emoji?: string;
    /** Since when the person has done nothing. */
    idle_since_ms?: number;
    /** When the person was last there. */
    last_seen_ms?: number;
    /** Whether there. */
    show: Show;
    /** What the person says about it. */
    text?: string;
    /** Until when what is said holds, in milliseconds since the Unix epoch. */
    until_ms?: number;
  }
  /** How one is. */
  interface PresenceGot {
    /** As others see it. */
    presence: Presence;
  }
  /** How people are. */
  interface PresencesGot {
    /** Of those whose presence one may see. */
    presences: Presence[];
  }
  /** One's own account. */
  interface ProfileGot {
    /** The account. */
    account: Account;
  }
  /** The key by which push services know this server (RFC 8292). */
  interface PushKey {
    /** The public key, in base 64 for URLs: what a page gives to its browser as `applicationServerKey`. */
    key: string;
  }
  /** When nothing makes a noise. */
  interface QuietHours {
    /** On which days they begin: 0 for Sunday to 6 for Saturday. */
    days: number[];
    /** When they begin, `HH:MM`. */
    from: string;
    /** When they end, `HH:MM`; if that is earlier than `from`, on the next day. */
    to: string;
    /** The time zone, by its name in the IANA database. */
    zone: string;
  }
  /** An emoji and who reacted with it (XEP-0444). */
  interface Reaction {
    /** Who. */
    by: string[];
    /** The emoji. */
    emoji: string;
  }
  /** That a message was taken back (XEP-0424, XEP-0425). */
  interface Recalled {
    /** When. */
    at_ms: number;
    /** By whom, if not by its sender. */
    by?: string;
    /** Why. */
    reason?: string;
  }
  /** How many have answered in the thread of a message. */
  interface Replies {
    /** How many messages the thread has, its root not counted. */
    count: number;
    /** The newest of them. */
    last: number;
    /** Who wrote them, the newest first. */
    people: string[];
  }
  /** The message that is answered (XEP-0461). */
  interface ReplyTo {
    /** Who sent it. */
    from?: Sender;
    /** Its id. */
    id: string;
    /** It is not there any more. */
    missing?: boolean;
    /** How it begins. */
    text?: string;
  }
  /** A room. */
  interface Room {
    /** Its address. */
    address: string;
    /** Only its owners and admins write. */
    announcements_only: boolean;
    /** Kept for reading, and closed. */
    archived: boolean;
    /** The hash of its picture. */
    avatar?: string;
    /** What it is for. */
    description?: string;
    /** The one who reads may invite others. */
    may_invite: boolean;
    /** The one who reads may write. */
    may_write: boolean;
    /** How many belong to it. */
    member_count: number;
    /** Only members come in. */
    members_only: boolean;
    /** Its name. */
    name: string;
    /** Stays when nobody is in it. */
    persistent: boolean;
    /** Found by everybody. */
    public: boolean;
    /** What the one who reads is in it. */
    role: RoomRole;
    /** What is being talked about. */
    topic?: string;
  }
  /** A room, told. */
  interface RoomGot {
    /** The room. */
    room: Room;
  }
  /** What became of an invitation. */
  interface RoomInvited {
    /** Those who could not be brought in. */
    refused: string[];
  }
  /** A page of members. */
  interface RoomMembersGot {
    /** In the order of their addresses. */
    members: Member[];
    /** There are more behind them. */
    more: boolean;
  }
  /** What the one who reads is in a room. */
  type RoomRole = 'owner' | 'admin' | 'member' | 'none';
  /** A page of rooms. */
  interface RoomsFound {
    /** There may be more. */
    more: boolean;
    /** Where to go on. */
    next?: string;
    /** In the order of their addresses. */
    rooms: Room[];
  }
  /** A message that is to be sent at a later time. */
  interface Scheduled {
    /** When. */
    at_ms: number;
    /** Files that go with it. */
    attachments?: Attachment[];
    /** Where it goes. */
    conversation: string;
    /** Why it could not be sent. */
    failed?: string;
    /** Its id, as long as it waits. */
    id: string;
    /** Its text. */
    text: string;
  }
  /** A message that waits, told. */
  interface ScheduledGot {
    /** The message as it now is. */
    scheduled: Scheduled;
  }
  /** The messages that wait. */
  interface ScheduledListed {
    /** Those that are due first before the others. */
    scheduled: Scheduled[];
  }
  /** A section of the sidebar. */
  interface Section {
    /** Folded. */
    collapsed?: boolean;
    /** Its id, chosen by the client. */
    id: string;
    /** Its name. */
    name: string;
  }
  /** Who sent something. */
  interface Sender {
    /** The account; in a room that does not tell who its members are, the address of the occupant. */
    address: string;
    /** The name to show. */
    name: string;
    /** The nickname in the room. */
    nick?: string;
  }
  /** The server. */
  interface Server {
    /** The domains it serves. */
    domains: string[];
    /** What it can do beyond this protocol's first version. */
    features: string[];
    /** What it is called: the first of its domains. */
    name: string;
    /** Its clock, in milliseconds since the Unix epoch. */
    time_ms: number;
    /** The version of the program. */
    version: string;
  }
  /** The server's clock. */
  interface SessionPong {
    /** Milliseconds since the Unix epoch. */
    time_ms: number;
  }
  /** A new token. */
  interface SessionRenewed {
    /** The token, which replaces the one before. */
    token: string;
  }
  /** Whether somebody is there. */
  type Show = 'online' | 'away' | 'busy' | 'offline';
  /** Somebody has signed in. */
  interface SignedIn {
    /** Who. */
    account: Account;
    /** What is allowed. */
    limits: Limits;
    /** The server. */
    server: Server;
    /** The id of the session: the full address that XMPP clients see. */
    session: string;
    /** A token for the next time, if one was asked for, or the one that was used grows old. It replaces the one before. */
    token?: string;
  }
  /** Everything that a client needs to begin. */
  interface Snapshot {
    /** Who is blocked. */
    blocked: string[];
    /** The contacts. */
    contacts: Contact[];
    /** The conversations that were last talked in, and all rooms. */
    conversations: Conversation[];
    /** Conversations for which there was no room: ask for each with `conversation.get`. */
    missing?: string[];
    /** There are more with people: go on with `conversation.list` from here. */
    next?: number;
    /** What one prefers. */
    preferences: Preferences;
    /** Who of them is there, and how. */
    presences: Presence[];
    /** What is to be sent later. */
    scheduled: Scheduled[];
    /** Everything up to here is in it. */
    version: number;
  }
  /** Who of two contacts sees the other's presence (RFC 6121 section 2.1.2.5). */
  type Subscription = 'none' | 'to' | 'from' | 'both';
  /** Light or dark. */
  type Theme = 'system' | 'light' | 'dark' | 'contrast';
  /** A thread. */
  interface Thread {
    /** The conversation it is in. */
    conversation: string;
    /** Whether the one who reads is told of it. */
    following: boolean;
    /** The newest message in it. */
    last: number;
    /** How many of them mention the one who reads, at most 100. */
    mentions: number;
    /** The message that it began with. */
    root: Message;
    /** Everything up to here was seen. */
    seen: number;
    /** How many messages of others came since, at most 100. */
    unread: number;
  }
  /** A page of a thread. */
  interface ThreadGot {
    /** Its messages without the first, oldest first. */
    messages: Message[];
    /** There are earlier ones. */
    more: boolean;
    /** The thread. */
    thread: Thread;
  }
  /** A thread, told. */
  interface ThreadTold {
    /** The thread as it now is. */
    thread: Thread;
  }
  /** A page of threads. */
  interface ThreadsGot {
    /** There are more. */
    more: boolean;
    /** Those that were last answered in first. */
    threads: Thread[];
  }
  /** A token that was made. */
  interface TokenCreated {
    /** The secret, which is told this once. */
    secret: string;
    /** The token. */
    token: AccessToken;
  }
  /** The tokens of the account. */
  interface TokenListed {
    /** In the order of their ids. */
    tokens: AccessToken[];
  }
  /** What somebody is doing who may be about to send something (XEP-0085). */
  type Typing = 'composing' | 'paused';
}

/** What the server tells unasked. */
export type Event = Told.Event;

/** Whatever comes from the server, one in each frame. */
export type Frame =
  | { jsonrpc: '2.0'; id: number | string; result: Methods[keyof Methods]['result'] }
  | { jsonrpc: '2.0'; id: number | string | null; error: Told.ErrorObject }
  | { jsonrpc: '2.0'; method: 'event'; params: Event };
