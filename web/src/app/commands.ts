// What can be typed after a slash instead of a message.
import { t, type Key } from '$lib/i18n';
import { toast } from '$lib/ui';
import type { Conversation } from '$lib/api';
import { attempt, explain, session, ui } from './app.svelte';

type CommandKey = Extract<Key, `command.${string}`>;

export interface Command {
  name: string;
  /** What may follow, as it is shown. */
  takes?: CommandKey;
  help: CommandKey;
  /** Whether it makes sense in a conversation. */
  fits?: (conversation: Conversation) => boolean;
  run: (rest: string, conversation: Conversation) => Promise<void> | void;
}

const isRoom = (c: Conversation): boolean => c.kind === 'room';
const isAdmin = (c: Conversation): boolean => c.room?.role === 'owner' || c.room?.role === 'admin';

async function setShow(show: 'online' | 'away' | 'busy', text: string): Promise<void> {
  const { presence } = await session.call('presence.set', { show, ...(text === '' ? {} : { text }) });
  session.people.setPresence(presence);
}

function current(): 'online' | 'away' | 'busy' {
  const { show } = session.people.presence(session.me);
  return show === 'offline' ? 'online' : show;
}

export const COMMANDS: readonly Command[] = [
  { name: 'away', takes: 'command.text', help: 'command.away', run: (rest) => setShow('away', rest) },
  { name: 'busy', takes: 'command.text', help: 'command.busy', run: (rest) => setShow('busy', rest) },
  { name: 'online', takes: 'command.text', help: 'command.online', run: (rest) => setShow('online', rest) },
  { name: 'status', takes: 'command.text', help: 'command.status', run: (rest) => setShow(current(), rest) },
  {
    name: 'topic',
    takes: 'command.text',
    help: 'command.topic',
    fits: isAdmin,
    run: async (rest, c) => session.conversations.room((await session.call('room.change', { room: c.address, topic: rest })).room),
  },
  {
    name: 'invite',
    takes: 'command.addresses',
    help: 'command.invite',
    fits: (c) => c.room?.may_invite === true,
    run: async (rest, c) => {
      const addresses = rest.split(/[\s,]+/).filter((a) => a.includes('@')).map((a) => a.replace(/^@/, ''));
      if (addresses.length === 0) {
        ui.setPanel({ kind: 'members' });
        return;
      }
      const { refused } = await session.call('room.invite', { room: c.address, addresses });
      toast(refused.length > 0 ? t('members.refused', { names: refused.join(', ') }) : t('members.invited'));
    },
  },
  { name: 'mute', help: 'command.mute', run: (_, c) => session.configure(c.address, { muted_until_ms: 0 }) },
  { name: 'unmute', help: 'command.unmute', run: (_, c) => session.configure(c.address, { muted_until_ms: null }) },
  { name: 'search', takes: 'command.text', help: 'command.search', run: (rest) => ui.setPanel({ kind: 'search', text: rest }) },
  {
    name: 'leave',
    help: 'command.leave',
    fits: isRoom,
    run: async (_, c) => {
      await session.leave(c.address);
      ui.view('home');
    },
  },
  { name: 'shrug', takes: 'command.text', help: 'command.shrug', run: (rest, c) => session.send(c.address, { text: `${rest} ¯\\_(ツ)_/¯`.trim() }) },
  { name: 'me', takes: 'command.text', help: 'command.me', run: (rest, c) => session.send(c.address, { text: `/me ${rest}` }) },
  {
    name: 'help',
    help: 'command.help',
    run: () => {
      ui.dialog = 'help';
    },
  },
];

/** The commands that begin so, in a conversation. */
export function commandsFor(word: string, conversation: Conversation): Command[] {
  return COMMANDS.filter((c) => c.name.startsWith(word.toLowerCase()) && (c.fits?.(conversation) ?? true));
}

/**
 * Carries out a text that is a command. Says false when it is none: then it is a message. Two slashes begin a message with
 * one of them.
 */
export function runCommand(text: string, conversation: Conversation): boolean {
  const found = /^\/([a-z]+)(?:\s+([\s\S]*))?$/.exec(text);
  const command = found && commandsFor(found[1] ?? '', conversation).find((c) => c.name === found[1]);
  if (!command) return false;
  void (async () => {
    try {
      await command.run((found[2] ?? '').trim(), conversation);
    } catch (error) {
      toast(explain(error), { kind: 'alert' });
    }
  })();
  return true;
}

/** Leaves a room, and offers the way back where there is one. */
export async function leaveRoom(conversation: Conversation): Promise<void> {
  const { address, room } = conversation;
  if (!(await attempt(session.leave(address)))) return;
  if (ui.conversation === address) ui.view('home');
  const back = room?.public && !room.members_only;
  toast(t('toast.left', { name: conversation.name }), back ? { undo: () => void attempt(session.joinRoom(address)).then((done) => done && ui.open(address)) } : {});
}
