// Whether a message calls its reader: by what the conversation, and else the account, is set to.
import type { Address, Conversation, Message, Preferences } from '../api/types';
import { isQuiet } from '../panes/quiet';
import { isMentioned, isMuted } from './conversations.svelte';

export function callsFor(
  message: Message,
  conversation: Conversation,
  preferences: Pick<Preferences, 'notify' | 'keywords' | 'quiet_hours'>,
  reader: Address,
  now = Date.now(),
): boolean {
  if (isMuted(conversation, now)) return false;
  if (preferences.quiet_hours && isQuiet(preferences.quiet_hours, now)) return false;
  const { settings } = conversation;
  // Whoever writes to one person means that person, unless that person has said otherwise.
  const rule = settings.notify ?? (conversation.kind === 'direct' && preferences.notify !== 'nothing' ? 'all' : preferences.notify);
  if (rule === 'nothing') return false;
  if (rule === 'all' && message.thread === undefined) return true;
  return isMentioned(message, reader) || holdsKeyword(message.text, [...preferences.keywords, ...(settings.keywords ?? [])]);
}

function holdsKeyword(text: string, keywords: readonly string[]): boolean {
  const words = text.toLowerCase();
  return keywords.some((k) => k.trim() !== '' && words.includes(k.trim().toLowerCase()));
}
