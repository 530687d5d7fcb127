// A message as one sentence for those who hear it instead of seeing it.
import { formatTime, plural, t } from '$lib/i18n';
import { plain } from '$lib/markup';
import type { Address, Message } from '$lib/api';

/** One saying after the other, with a stop between them where the first has none of its own. */
const followed = (before: string, next: string): string => (/[.!?:…。！？：]$/u.test(before) ? `${before} ${next}` : `${before}. ${next}`);

export function sentence(message: Message, reader: Address): string {
  const who = message.from.address === reader ? t('sentence.you') : message.from.name;
  const when = formatTime(message.position / 1000);
  if (message.recalled) return t('sentence.recalled', { who, when });
  const parts: string[] = [];
  if (message.reply_to?.from) parts.push(t('sentence.reply', { name: message.reply_to.from.name }));
  if (message.poll) parts.push(t('poll.title', { question: message.poll.question }));
  else if (message.text) parts.push(plain(message.text));
  for (const attachment of message.attachments ?? []) parts.push(t('sentence.file', { name: attachment.name }));
  if (message.edited) parts.push(t('message.edited'));
  if (message.pinned) parts.push(t('sentence.pinned'));
  if (message.saved) parts.push(t('sentence.saved'));
  const reactions = (message.reactions ?? []).map((r) => `${r.emoji} ${r.by.length}`);
  if (reactions.length > 0) parts.push(t('sentence.reactions', { list: reactions.join(', ') }));
  if (message.replies) parts.push(plural('message.replies', message.replies.count));
  return t('sentence.message', { who, when, text: parts.length === 0 ? '' : parts.reduce(followed) });
}
