// One connection for all tabs of a browser: joins the tabs that are signed in by the same token, and tells each what the others do.
import type { WebSocketLike } from './socket';

/** The way to one tab. */
export interface Tab {
  open(): void;
  frame(data: string): void;
  close(): void;
}

/** What a tab says: `close` when it goes. */
export interface TabSide {
  frame(data: string): void;
  close(): void;
}

interface Frame {
  jsonrpc: '2.0';
  id?: number;
  method?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: unknown;
}

interface Member {
  tab: Tab;
  group?: Group;
  /** Whether it has asked for the state, and so takes events from now on. */
  isInStep: boolean;
  isActive: boolean;
  /** Whom it has in view. */
  inView: unknown[];
}

interface Asked {
  /** Nobody for what the hub itself asks. */
  member?: Member;
  id?: number;
  method: string;
  params: Record<string, unknown>;
}

/** The tabs that share a connection. */
interface Group {
  ws: WebSocketLike;
  tokens: Set<string>;
  members: Set<Member>;
  /** What the server said when the first tab signed in. */
  answer?: Record<string, unknown>;
  /** Tabs that wait for that. */
  waiting: { member: Member; id: number }[];
  /** What is sent once the connection is open. */
  queue: string[] | undefined;
  asked: Map<number, Asked>;
  nextId: number;
  /** What the server was told last of whether somebody looks at a tab. */
  isActive: boolean;
}

type Event = Record<string, unknown> & { type: string };

/** So many people can be watched by a connection. */
export const WATCHED_LIMIT = 200;

/** What a change that one tab made means to the others: the server need not tell a connection of its own doing. */
function eventOf(method: string, params: Record<string, unknown>, result: Record<string, unknown>): Event | undefined {
  const { conversation, id, saved, draft, address, room } = params;
  switch (method) {
    case 'message.send':
    case 'message.edit':
    case 'message.close_poll':
    case 'message.recall':
    case 'message.react':
    case 'message.pin':
      return { type: 'message', message: result.message };
    case 'message.save':
      return { type: 'saved', conversation, id, saved };
    case 'conversation.read':
    case 'conversation.unread':
    case 'conversation.configure':
    case 'conversation.open':
      return { type: 'conversation', conversation: result.conversation };
    case 'conversation.draft':
      return draft === null ? { type: 'draft', conversation } : { type: 'draft', conversation, draft: { changed_ms: Date.now(), ...(draft as object) } };
    case 'thread.follow':
    case 'thread.read':
      return { type: 'thread', thread: result.thread };
    case 'preferences.change':
      return { type: 'preferences', preferences: result.preferences };
    case 'scheduled.create':
    case 'scheduled.change':
      return { type: 'scheduled', scheduled: result.scheduled };
    case 'scheduled.delete':
      return { type: 'scheduled_removed', id };
    case 'contact.add':
    case 'contact.change':
      return { type: 'contact', contact: result.contact };
    case 'contact.remove':
      return { type: 'contact_removed', address };
    case 'contact.block':
    case 'contact.unblock':
      return { type: 'blocked', addresses: result.blocked };
    case 'presence.set':
      return { type: 'presence', presence: result.presence };
    case 'room.leave':
      return { type: 'conversation_removed', address: room };
    default:
      return undefined;
  }
}

function tokenOf(params: Record<string, unknown>): string | undefined {
  const credentials = params.credentials as { type?: string; token?: string } | undefined;
  return credentials?.type === 'token' ? credentials.token : undefined;
}

export class Hub {
  #groups = new Set<Group>();

  constructor(private readonly create: () => WebSocketLike) {}

  /** How many connections there are. */
  get connections(): number {
    return this.#groups.size;
  }

  /** Ends all connections: somebody else holds them from now on. */
  stop(): void {
    for (const group of [...this.#groups]) {
      group.ws.onclose = group.ws.onmessage = group.ws.onopen = null;
      group.ws.close();
      this.#lost(group);
    }
  }

  /** Takes in a tab. */
  join(tab: Tab): TabSide {
    const member: Member = { tab, isInStep: false, isActive: true, inView: [] };
    tab.open();
    return {
      frame: (data) => this.#fromTab(member, JSON.parse(data) as Frame),
      close: () => this.#leave(member),
    };
  }

  #fromTab(member: Member, frame: Frame): void {
    const { id, method, params = {} } = frame;
    if (id === undefined || method === undefined) return;
    if (method === 'session.sign_in') return this.#signIn(member, id, params);
    const { group } = member;
    if (!group) return member.tab.close();
    if (method === 'session.active') {
      member.isActive = params.active === true;
      if (!this.#tellActive(group, { member, id })) reply(member, id, {});
      return;
    }
    if (method === 'presence.watch' && Array.isArray(params.addresses)) {
      // The connection watches for all tabs; what the asking one has in view comes first.
      member.inView = params.addresses;
      const all = new Set([member, ...group.members].flatMap((one) => one.inView));
      return this.#ask(group, { member, id, method, params: { addresses: [...all].slice(0, WATCHED_LIMIT) } });
    }
    // From here on events come behind the answer, or are held until it is there.
    if (method === 'sync.open' || method === 'sync.changes') member.isInStep = true;
    this.#ask(group, { member, id, method, params });
  }

  #signIn(member: Member, id: number, params: Record<string, unknown>): void {
    const token = tokenOf(params);
    const known = token === undefined ? undefined : [...this.#groups].find((group) => group.tokens.has(token));
    if (known) {
      member.group = known;
      known.members.add(member);
      if (known.answer) this.#welcome(known, member, id);
      else known.waiting.push({ member, id });
      return;
    }
    let ws: WebSocketLike;
    try {
      ws = this.create();
    } catch {
      return member.tab.close();
    }
    const group: Group = { ws, tokens: new Set(token === undefined ? [] : [token]), members: new Set([member]), waiting: [], queue: [], asked: new Map(), nextId: 1, isActive: true };
    member.group = group;
    this.#groups.add(group);
    ws.onopen = () => {
      for (const data of group.queue ?? []) ws.send(data);
      group.queue = undefined;
    };
    ws.onmessage = ({ data }) => {
      if (typeof data === 'string') this.#fromServer(group, data);
    };
    ws.onclose = () => this.#lost(group);
    ws.onerror = () => undefined;
    this.#ask(group, { member, id, method: 'session.sign_in', params });
  }

  #ask(group: Group, asked: Asked): void {
    const id = group.nextId++;
    group.asked.set(id, asked);
    const data = JSON.stringify({ jsonrpc: '2.0', id, method: asked.method, params: asked.params });
    if (group.queue) group.queue.push(data);
    else {
      try {
        group.ws.send(data);
      } catch {
        this.#lost(group);
      }
    }
  }

  #fromServer(group: Group, data: string): void {
    const frame = JSON.parse(data) as Frame;
    if (frame.id === undefined) {
      const isEnd = frame.method === 'event' && frame.params?.type === 'ended';
      for (const member of [...group.members]) if (member.isInStep || isEnd) member.tab.frame(data);
      return;
    }
    const asked = group.asked.get(frame.id);
    if (!asked) return;
    group.asked.delete(frame.id);
    const { member, id, method, params } = asked;
    const { result } = frame;
    if (typeof result?.token === 'string') group.tokens.add(result.token);
    if (member && id !== undefined && group.members.has(member)) member.tab.frame(JSON.stringify({ ...frame, id }));
    if (method === 'session.sign_in') this.#signedIn(group, frame);
    if (method === 'session.sign_out' && result) return this.#signedOut(group, member);
    const event = result && eventOf(method, params, result);
    if (event) this.#tell(group, event, member);
  }

  /** Who signs out in one tab has signed out in all of them. */
  #signedOut(group: Group, by: Member | undefined): void {
    const data = JSON.stringify({ jsonrpc: '2.0', method: 'event', params: { type: 'ended', reason: 'signed_out' } satisfies Event });
    this.#groups.delete(group);
    for (const member of [...group.members]) if (member !== by) member.tab.frame(data);
  }

  #signedIn(group: Group, frame: Frame): void {
    const { waiting } = group;
    group.waiting = [];
    if (frame.result) {
      group.answer = frame.result;
      for (const one of waiting) this.#welcome(group, one.member, one.id);
    } else {
      // The others had the same token, and would hear the same.
      this.#groups.delete(group);
      for (const one of waiting) one.member.tab.frame(JSON.stringify({ ...frame, id: one.id }));
    }
  }

  /** Tells a tab that it is signed in already. The token is the other tab's to keep. */
  #welcome(group: Group, member: Member, id: number): void {
    const { token: _, ...answer } = group.answer ?? {};
    reply(member, id, answer);
    this.#tellActive(group);
  }

  #tell(group: Group, event: Event, except?: Member): void {
    const data = JSON.stringify({ jsonrpc: '2.0', method: 'event', params: event });
    for (const member of group.members) if (member !== except && member.isInStep) member.tab.frame(data);
  }

  /** Tells the server whether somebody looks at any of the tabs, if that is news. */
  #tellActive(group: Group, by: { member?: Member; id?: number } = {}): boolean {
    const active = [...group.members].some((member) => member.isActive);
    if (active === group.isActive) return false;
    group.isActive = active;
    this.#ask(group, { ...by, method: 'session.active', params: { active } });
    return true;
  }

  #leave(member: Member): void {
    const { group } = member;
    delete member.group;
    if (!group?.members.delete(member)) return;
    group.waiting = group.waiting.filter((one) => one.member !== member);
    if (group.members.size > 0) {
      if (group.answer) this.#tellActive(group);
      return;
    }
    this.#groups.delete(group);
    group.ws.onclose = group.ws.onmessage = group.ws.onopen = null;
    group.ws.close();
  }

  #lost(group: Group): void {
    this.#groups.delete(group);
    const members = [...group.members];
    group.members.clear();
    for (const member of members) {
      delete member.group;
      member.tab.close();
    }
  }
}

function reply(member: Member, id: number, result: Record<string, unknown>): void {
  member.tab.frame(JSON.stringify({ jsonrpc: '2.0', id, result }));
}
