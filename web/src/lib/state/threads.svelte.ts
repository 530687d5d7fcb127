// Threads: the ones the reader follows, and the messages of those that are open.
import { SvelteMap } from 'svelte/reactivity';
import type { Call } from '../api/socket';
import type { Address, Message, MessageId, Position, Thread } from '../api/types';
import { insert } from './timeline.svelte';

const PAGE = 50;

/** The replies of one thread that is looked at. */
export class OpenThread {
  messages = $state.raw<readonly Message[]>([]);
  more = $state(false);
  loading = $state(true);
  failed = $state(false);
  #versions = new Map<MessageId, Position>();

  constructor(
    readonly conversation: Address,
    readonly root: MessageId,
    private readonly call: Call,
    private readonly version: () => Position,
    private readonly onthread: (thread: Thread) => void,
  ) {}

  async load(before?: Position): Promise<void> {
    this.loading = true;
    this.failed = false;
    const asOf = this.version();
    try {
      const { thread, messages, more } = await this.call('thread.get', {
        conversation: this.conversation,
        root: this.root,
        limit: PAGE,
        ...(before === undefined ? {} : { before }),
      });
      this.more = more;
      for (const message of messages) this.receive(message, asOf);
      this.onthread(thread);
    } catch {
      this.failed = true;
    }
    this.loading = false;
  }

  async loadBefore(): Promise<void> {
    const first = this.messages[0];
    if (this.more && !this.loading && first) await this.load(first.position);
  }

  receive(message: Message, version: Position): void {
    if (message.id === this.root || message.thread !== this.root) return;
    if ((this.#versions.get(message.id) ?? -1) > version) return;
    this.#versions.set(message.id, version);
    this.messages = insert(this.messages, message);
  }
}

export class Threads {
  #all = new SvelteMap<MessageId, Thread>();
  #open = new Map<MessageId, OpenThread>();
  more = $state(false);
  loading = $state(false);
  loaded = $state(false);
  list = $derived([...this.#all.values()].filter((t) => t.following).sort((a, b) => b.last - a.last));
  unread = $derived(this.list.filter((t) => t.unread > 0).length);
  mentions = $derived(this.list.reduce((sum, t) => sum + t.mentions, 0));

  constructor(
    private readonly call: Call,
    private readonly version: () => Position,
  ) {}

  get(root: MessageId): Thread | undefined {
    return this.#all.get(root);
  }

  put(thread: Thread): void {
    this.#all.set(thread.root.id, thread);
  }

  open(conversation: Address, root: MessageId): OpenThread {
    const known = this.#open.get(root);
    if (known) return known;
    const opened = new OpenThread(conversation, root, this.call, this.version, (t) => this.put(t));
    this.#open.set(root, opened);
    void opened.load();
    return opened;
  }

  receive(message: Message, version: Position): void {
    if (message.thread !== undefined) this.#open.get(message.thread)?.receive(message, version);
    const thread = this.#all.get(message.id);
    if (thread) this.#all.set(message.id, { ...thread, root: message });
  }

  async load(before?: Position): Promise<void> {
    if (this.loading) return;
    this.loading = true;
    try {
      const page = await this.call('thread.list', { limit: PAGE, ...(before === undefined ? {} : { before }) });
      for (const thread of page.threads) this.put(thread);
      this.more = page.more;
      this.loaded = true;
    } finally {
      this.loading = false;
    }
  }

  async loadMore(): Promise<void> {
    const last = this.list.at(-1);
    if (this.more && last) await this.load(last.last);
  }

  clear(): void {
    this.#all.clear();
    this.#open.clear();
    this.loaded = false;
  }
}
