// Whether a message calls its reader: by what the conversation, and else the account, is set to.
import type { Address, Conversation, Message, Person, Preferences } from '../api/types';
import { isQuiet } from '../panes/quiet';
import { isMentioned, isMuted } from './conversations.svelte';

/** What of the reader's settings decides. */
type Wishes = Pick<Preferences, 'notify' | 'keywords' | 'quiet_hours'>;

/** `follows` says that the reader follows the thread that the message is in. */
export function callsFor(message: Message, conversation: Conversation, preferences: Wishes, reader: Address, follows: boolean, now = Date.now()): boolean {
  if (isMuted(conversation, now)) return false;
  if (preferences.quiet_hours && isQuiet(preferences.quiet_hours, now)) return false;
  const { settings } = conversation;
  // Whoever writes to one person means that person, unless that person has said otherwise.
  const rule = settings.notify ?? (conversation.kind === 'direct' && preferences.notify !== 'nothing' ? 'all' : preferences.notify);
  if (rule !== 'mentions') return rule === 'all';
  return follows || isMentioned(message, reader) || [...preferences.keywords, ...(settings.keywords ?? [])].some((word) => hasWord(message.text, word));
}

/**
 * Whether a message names its reader: by a mention, or, where many speak, by what he is called or a word that counts as that. So the
 * server counts it, which knows as well whether he is called otherwise in that room.
 */
export function isNamed(message: Message, conversation: Conversation, { keywords }: Pick<Preferences, 'keywords'>, reader: Pick<Person, 'address' | 'name'>): boolean {
  if (isMentioned(message, reader.address)) return true;
  if (conversation.kind !== 'room') return false;
  return [reader.name, ...keywords, ...(conversation.settings.keywords ?? [])].some((word) => hasWord(message.text, word));
}

/** Scripts that put no spaces between words have none to look for. */
const WITHIN = /[A-Za-z0-9]|\p{Ll}/u;

/** Whether a text has these words in it, whatever their case, and not as a part of others: as the server looks for them. */
export function hasWord(text: string, word: string): boolean {
  const [all, wanted] = [text.toLowerCase(), word.trim().toLowerCase()];
  if (wanted === '') return false;
  for (let at = all.indexOf(wanted); at >= 0; at = all.indexOf(wanted, at + 1)) {
    const before = [...all.slice(0, at)].at(-1) ?? '';
    const after = [...all.slice(at + wanted.length)][0] ?? '';
    if (!WITHIN.test(before) && !WITHIN.test(after)) return true;
  }
  return false;
}
