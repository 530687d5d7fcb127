// The one session of the page, and what of it is on view.
import { tick } from 'svelte';
import { SvelteMap } from 'svelte/reactivity';
import { toast } from '$lib/ui';
import { t } from '$lib/i18n';
import { Refused, type Address, type Message, type MessageId, type Position, type WebSocketLike } from '$lib/api';
import { openShared } from '$lib/api/shared-socket';
import { openKeyed } from '$lib/state/keyed';
import { formatRoute, parseRoute, type Panel, type Route, type View } from '$lib/state/route';
import { Session } from '$lib/state/session.svelte';
import { narrow } from './narrow';
import { BrowserAccounts, BrowserTokens, clientName, deviceId, isPassingSession, socketUrl } from './platform';

export const tokens = new BrowserTokens();
tokens.remembers = !isPassingSession();

const connect = (): WebSocketLike => new WebSocket(socketUrl(), 'waxwing.v1') as WebSocketLike;

export const session = new Session({
  // A tab that is not to be remembered is a device of its own, with a connection of its own.
  create: () => (tokens.remembers ? openShared(connect) : connect()),
  tokens,
  client: {
    name: clientName(),
    get device() {
      return deviceId(tokens.remembers);
    },
    version: '1',
  },
  openKeyed,
  accounts: new BrowserAccounts(),
});

export type DialogName = 'section' | 'switcher' | 'settings' | 'create-room' | 'start' | 'browse' | 'help' | 'status' | 'date';

/** A picture, by its message and its place among the files of that. */
interface Picture {
  message: Message;
  index: number;
}

/** A picture that is looked at in full, and those that one goes on to from there: without them, those of its message. */
export interface Viewed extends Picture {
  among?: readonly Picture[];
}

class Ui {
  route = $state.raw<Route>(parseRoute(location.hash));
  dialog = $state<DialogName | undefined>();
  /** The section whose name is asked for; none is a new one, into which a conversation may go. */
  section = $state.raw<{ id?: string; conversation?: Address }>({});
  settingsPage = $state('profile');
  unreadOnly = $state(false);
  /** What each conversation's composer answers to or changes. */
  replyTo = $state.raw<Message | undefined>();
  editing = $state.raw<Message | undefined>();
  /** What the reader took back in this visit, to be written anew. */
  readonly takenBack = new SvelteMap<MessageId, string>();
  rewriting = $state.raw<{ conversation: Address; thread?: MessageId; text: string } | undefined>();
  /** The message for which a reaction is being chosen by keyboard. */
  reacting = $state<MessageId | undefined>();
  /** Pictures that are looked at in full. */
  viewing = $state.raw<Viewed | undefined>();
  /** The conversation that its reader has just left unread: it is not read by being in view until it is opened anew. */
  leftUnread: Address | undefined;
  /** The conversation that opens next is read, and not written in. */
  opensToRead = false;
  /** The day at which the dialog for another day begins, in milliseconds since the epoch. */
  day: number | undefined;
  /** Whose card is shown, and beside what. */
  profile = $state.raw<{ address: Address; anchor: Element } | undefined>();
  /** The page is in front of somebody. */
  attended = $state(true);
  announcement = $state('');

  constructor() {
    addEventListener('hashchange', () => this.#follow(parseRoute(location.hash)));
  }

  get conversation(): Address | undefined {
    return this.route.view === 'conversation' ? this.route.conversation : undefined;
  }

  get panel(): Panel | undefined {
    return this.route.panel;
  }

  go(route: Route, replace = false): void {
    const hash = formatRoute(route);
    if (hash === location.hash) {
      // The same place again still moves the eye there.
      if (route.at !== undefined) this.route = { ...route };
      return;
    }
    // The page is there with the next step, and not when the browser comes to tell of another address: the focus can follow it.
    if (replace) history.replaceState(null, '', hash);
    else history.pushState(null, '', hash);
    this.#follow(route);
  }

  #follow(route: Route): void {
    if (route.conversation !== this.route.conversation) {
      this.replyTo = undefined;
      this.editing = undefined;
      this.profile = undefined;
    }
    this.route = route;
  }

  open(conversation: Address, at?: Position, thread?: MessageId): void {
    this.go({
      view: 'conversation',
      conversation,
      ...(at === undefined ? {} : { at }),
      ...(thread === undefined ? {} : { panel: { kind: 'thread', root: thread } }),
    });
  }

  editSection(section: { id?: string; conversation?: Address }): void {
    this.section = section;
    this.dialog = 'section';
  }

  /** Asks for a day of the conversation to go to. */
  chooseDay(day?: number): void {
    this.day = day;
    this.dialog = 'date';
  }

  view(view: View): void {
    this.go({ view });
  }

  setPanel(panel: Panel | undefined): void {
    const { panel: _, at: _at, ...rest } = this.route;
    this.go(panel ? { ...rest, panel } : rest, panel !== undefined && this.route.panel !== undefined);
  }

  togglePanel(panel: Panel): void {
    this.setPanel(this.route.panel?.kind === panel.kind ? undefined : panel);
  }

  /** Reads something aloud to those who do not see it. */
  announce(text: string): void {
    this.announcement = '';
    void tick().then(() => {
      this.announcement = text;
    });
  }
}

export const ui = new Ui();

/** Says in words why something did not work. */
export function explain(error: unknown): string {
  if (error instanceof Refused) return error.message;
  return t('error.offline');
}

/** Does something, and says so when it does not work. */
export async function attempt(work: Promise<unknown>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    toast(explain(error), { kind: 'alert' });
    return false;
  }
}

/** Gives the account that was just made its person's name, once requests are taken. */
export function introduce(name: string): void {
  if (name === '') return;
  const stop = $effect.root(() => {
    $effect(() => {
      if (!session.ready) return;
      stop();
      void attempt(session.call('profile.change', { name }).then(({ account }) => session.receiveAccount(account)));
    });
  });
}

/** Opens the direct conversation with somebody. */
export async function talkTo(address: Address): Promise<void> {
  if (session.conversations.get(address)) {
    ui.open(address);
    return;
  }
  if (await attempt(session.openConversation(address))) ui.open(address);
}

/** Goes to a message wherever it stands; the list that it was found in may stay beside it, where there is room for both. */
export function goTo(message: Message, staysBeside = false): void {
  const { conversation, position, thread, id } = message;
  if (thread !== undefined && thread !== id) ui.open(conversation, undefined, thread);
  else ui.go({ view: 'conversation', conversation, at: position, ...(staysBeside && !narrow.current && ui.panel ? { panel: ui.panel } : {}) });
}

export function linkTo(message: Message): string {
  const hash = formatRoute({ view: 'conversation', conversation: message.conversation, at: message.position });
  return `${location.origin}${location.pathname}${hash}`;
}
