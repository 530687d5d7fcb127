// Who is offered when somebody is being mentioned: members of the room, or the two of a conversation.
import { collator, t } from '$lib/i18n';
import type { Address, Conversation, Member, Mention } from '$lib/api';
import { session } from './app.svelte';

export interface Suggestion {
  kind: Mention['kind'];
  address?: Address;
  name: string;
  note: string;
  avatar?: string;
}

const MOST = 8;
const ASK_WAIT_MS = 120;

const members = new Map<Address, Member[]>();
let timer: ReturnType<typeof setTimeout> | undefined;

function fits(word: string, ...names: (string | undefined)[]): boolean {
  const start = word.toLowerCase();
  return names.some((name) =>
    (name ?? '')
      .toLowerCase()
      .split(/[\s@._-]+/)
      .concat((name ?? '').toLowerCase())
      .some((part) => part.startsWith(start)),
  );
}

function everybody(word: string): Suggestion[] {
  const all: Suggestion[] = [
    { kind: 'room', name: t('mention.all'), note: t('mention.allNote') },
    { kind: 'online', name: t('mention.here'), note: t('mention.hereNote') },
  ];
  return word === '' ? [] : all.filter((s) => fits(word, s.name));
}

function suggestion(address: Address, name: string): Suggestion {
  const person = session.people.person(address);
  return {
    kind: 'person',
    address,
    name,
    note: person?.title ?? address,
    ...(person?.avatar === undefined ? {} : { avatar: person.avatar }),
  };
}

/** What is known at once; `onmore` is called when the server knows more. */
export function suggestPeople(conversation: Conversation, word: string, onmore: (found: Suggestion[]) => void): Suggestion[] {
  clearTimeout(timer);
  if (conversation.kind !== 'room') {
    const both = [conversation.address, session.me].map((a) => suggestion(a, session.people.name(a)));
    return both.filter((s) => fits(word, s.name, s.address));
  }
  const room = conversation.address;
  const local = () => {
    const known = (members.get(room) ?? []).filter((m) => m.role !== 'banned' && m.address !== session.me && fits(word, m.name, m.address, m.nick));
    const { compare } = collator();
    const people = known
      .sort((a, b) => Number(b.online) - Number(a.online) || compare(a.name, b.name))
      .slice(0, MOST)
      .map((m) => suggestion(m.address, m.name));
    return [...people, ...everybody(word)];
  };
  timer = setTimeout(() => {
    session
      .call('room.members', { room, limit: 50, ...(word === '' ? {} : { text: word }) })
      .then((answer) => {
        const byAddress = new Map((members.get(room) ?? []).map((m) => [m.address, m]));
        for (const member of answer.members) {
          byAddress.set(member.address, member);
          session.people.hear(member.address, member.name);
          session.people.want(member.address);
        }
        members.set(room, [...byAddress.values()]);
        onmore(local());
      })
      .catch(() => undefined);
  }, members.has(room) ? ASK_WAIT_MS : 0);
  return local();
}

/** The reader's rooms whose names fit. */
export function suggestRooms(word: string): Conversation[] {
  return session.conversations.list.filter((c) => c.kind === 'room' && fits(word, c.name)).slice(0, MOST);
}
