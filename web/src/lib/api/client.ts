// The session: signs in, opens or catches up with the state of the account, and hands on what happens in the right order.
import { Refused, Socket, type Call, type LinkState, type WebSocketLike } from './socket';
import type {
  Changes,
  Credentials,
  EndReason,
  Method,
  Params,
  Position,
  Result,
  ServerEvent,
  SignedIn,
  Snapshot,
} from './types';

/** Where the token of this device is kept. */
export interface TokenStore {
  get(): string | undefined;
  set(token: string | undefined): void;
}

export interface ClientOptions {
  create: () => WebSocketLike;
  tokens: TokenStore;
  client: { name: string; device: string; version?: string };
  onstate: (state: LinkState, cause?: unknown) => void;
  onsignedin: (answer: SignedIn) => void;
  /** Everything anew: whatever was known before is to be forgotten. */
  onsnapshot: (snapshot: Snapshot) => void;
  /** What was missed, before the events that it holds are handed on one by one. */
  onchanges: (changes: Pick<Changes, 'contacts' | 'presences' | 'blocked' | 'rooms'>) => void;
  onevent: (event: ServerEvent) => void;
  /** Signing in was refused, or the server has ended the session. */
  onended: (cause: EndReason | Refused) => void;
  random?: () => number;
}

/** Conditions under which credentials are not tried again. */
const FINAL = ['unauthorized', 'forbidden', 'gone', 'invalid_params', 'conflict', 'not_found', 'not_allowed'];

export class Client {
  readonly #socket: Socket;
  readonly #options: ClientOptions;
  #credentials: Credentials | undefined;
  /** Up to here everything has been told. */
  #version: Position = 0;
  /** Events that came before the answer they belong behind. */
  #held: ServerEvent[] | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#socket = new Socket({
      create: options.create,
      handshake: (call) => this.#enter(call),
      isFinal: (error) => error instanceof Refused && FINAL.includes(error.condition),
      onstate: (state, cause) => {
        options.onstate(state, cause);
        if (state === 'ended' && cause !== undefined) this.#ended(cause as EndReason | Refused);
      },
      onevent: (event) => {
        if (this.#held) this.#held.push(event);
        else this.#apply(event);
      },
      ...(options.random ? { random: options.random } : {}),
    });
  }

  get state(): LinkState {
    return this.#socket.state;
  }

  get version(): Position {
    return this.#version;
  }

  get retryAt(): number {
    return this.#socket.retryAt;
  }

  /** Signs in with what somebody typed. */
  signIn(credentials: Credentials): void {
    this.#credentials = credentials;
    this.#version = 0;
    this.#socket.connect();
  }

  /** Comes back with the token of this device; false when there is none. */
  resume(): boolean {
    if (!this.#options.tokens.get()) return false;
    this.#socket.connect();
    return true;
  }

  nudge(): void {
    this.#socket.nudge();
  }

  async signOut(): Promise<void> {
    try {
      await this.#socket.call('session.sign_out', {});
    } catch {
      // Whoever signs out without a connection still forgets the token here.
    }
    this.#options.tokens.set(undefined);
    this.#version = 0;
    this.#socket.end();
  }

  call<M extends Method>(method: M, params: Params<M>): Promise<Result<M>> {
    return this.#socket.call(method, params);
  }

  async #enter(call: Call): Promise<void> {
    const { tokens, client } = this.#options;
    const token = tokens.get();
    const credentials: Credentials | undefined =
      this.#credentials ?? (token ? { type: 'token', token } : undefined);
    if (!credentials) throw new Refused('Nobody has signed in.', 'unauthorized');
    const answer = await call('session.sign_in', { protocol: 1, credentials, client, remember: true });
    // From now on the token speaks for the password, which is not kept.
    if (answer.token) {
      tokens.set(answer.token);
      this.#credentials = undefined;
    }
    this.#options.onsignedin(answer);
    const held: ServerEvent[] = (this.#held = []);
    try {
      if (this.#version === 0) await this.#open(call);
      else await this.#catchUp(call);
    } catch (error) {
      // What came meanwhile lies beyond a gap: the next try asks for it again from before the gap.
      this.#held = undefined;
      throw error;
    }
    this.#held = undefined;
    for (const event of held) this.#apply(event);
  }

  async #open(call: Call): Promise<void> {
    const snapshot = await call('sync.open', {});
    this.#version = snapshot.version;
    this.#options.onsnapshot(snapshot);
  }

  async #catchUp(call: Call): Promise<void> {
    for (;;) {
      const changes = await call('sync.changes', { since: this.#version });
      if (changes.reset) return this.#open(call);
      this.#options.onchanges(changes);
      for (const event of changes.events) this.#apply(event);
      this.#version = Math.max(this.#version, changes.version);
      if (!changes.more) return;
    }
  }

  #apply(event: ServerEvent): void {
    if (event.version !== undefined) this.#version = Math.max(this.#version, event.version);
    this.#options.onevent(event);
  }

  #ended(cause: EndReason | Refused): void {
    if (cause instanceof Refused || cause === 'revoked' || cause === 'signed_out') {
      if (!this.#credentials) this.#options.tokens.set(undefined);
    }
    this.#credentials = undefined;
    this.#version = 0;
    this.#options.onended(cause);
  }
}

