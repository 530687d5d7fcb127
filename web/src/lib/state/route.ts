// The address of what is shown: read from and written to the part of the page's address behind the #.
import type { Address, MessageId, Position } from '../api/types';

export type View = 'home' | 'conversation' | 'threads' | 'mentions' | 'saved' | 'people';

/** What the right panel shows. */
export type Panel =
  | { kind: 'thread'; root: MessageId }
  | { kind: 'details' | 'members' | 'files' | 'pinned' }
  | { kind: 'search'; text: string; everywhere?: true };

export interface Route {
  view: View;
  conversation?: Address;
  /** A message to go to. */
  at?: Position;
  panel?: Panel;
  /** The token of an invitation somebody follows. */
  invitation?: string;
  /** The account that the server made at its first start, as the link says that it printed. Never written to an address. */
  first?: { address: Address; password: string };
}

const PANELS = ['details', 'members', 'files', 'pinned'] as const;
const VIEWS: readonly View[] = ['threads', 'mentions', 'saved', 'people'];

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?');
  const [first = '', second = '', third = ''] = path.split('/');
  const words = new URLSearchParams(query);
  if (first === 'invite' && second) return { view: 'home', invitation: decode(second) };
  if (first === 'first' && second && third) {
    return { view: 'home', first: { address: decode(second), password: decode(third) } };
  }
  const isConversation = first === 'c' && second !== '';
  const view = isConversation ? 'conversation' : (VIEWS.find((v) => v === first) ?? 'home');
  const route: Route = { view };
  if (isConversation) route.conversation = decode(second);
  const at = Number(words.get('at'));
  if (Number.isSafeInteger(at) && at > 0) route.at = at;
  const panel = panelOf(words);
  if (panel) route.panel = panel;
  return route;
}

function panelOf(words: URLSearchParams): Panel | undefined {
  const thread = words.get('thread');
  if (thread) return { kind: 'thread', root: thread };
  const search = words.get('search');
  if (search !== null) return { kind: 'search', text: search, ...(words.has('everywhere') ? { everywhere: true } : {}) };
  const kind = PANELS.find((p) => p === words.get('panel'));
  return kind && { kind };
}

export function formatRoute(route: Route): string {
  const words = new URLSearchParams();
  if (route.at !== undefined) words.set('at', String(route.at));
  const { panel } = route;
  if (panel?.kind === 'thread') words.set('thread', panel.root);
  else if (panel?.kind === 'search') {
    words.set('search', panel.text);
    if (panel.everywhere) words.set('everywhere', '');
  } else if (panel) words.set('panel', panel.kind);
  const query = words.size > 0 ? `?${words}` : '';
  if (route.invitation !== undefined) return `#/invite/${encodeURIComponent(route.invitation)}`;
  if (route.view === 'conversation' && route.conversation !== undefined) {
    return `#/c/${encodeURIComponent(route.conversation)}${query}`;
  }
  return route.view === 'home' ? `#/${query}` : `#/${route.view}${query}`;
}
