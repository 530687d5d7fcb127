// Single keys for a message that has the focus, and the deeds behind them and behind the buttons.
import { tick } from 'svelte';
import { t } from '$lib/i18n';
import { rememberEmoji } from '$lib/emoji';
import { toast } from '$lib/ui';
import type { Message } from '$lib/api';
import { attempt, linkTo, session, ui } from './app.svelte';

export function mayEdit(message: Message): boolean {
  return message.from.address === session.me && !message.recalled && message.kind === 'message' && !message.poll;
}

export function mayClosePoll(message: Message): boolean {
  return session.canClosePolls && message.poll !== undefined && !message.poll.closed && message.from.address === session.me && !message.recalled;
}

export function closePoll(message: Message): void {
  void attempt(session.closePoll(message));
}

/** Owners and admins of a room take back what others wrote. */
export function mayRecall(message: Message): boolean {
  const role = session.conversations.get(message.conversation)?.room?.role;
  return message.from.address === session.me || role === 'owner' || role === 'admin';
}

export function reply(message: Message): void {
  ui.editing = undefined;
  ui.replyTo = message;
  focusComposer(isReply(message));
}

export function edit(message: Message): void {
  ui.replyTo = undefined;
  ui.editing = message;
  focusComposer(isReply(message));
  // What is changed may lie out of view, as the last of one's own does after a while.
  document.querySelector(`[data-message="${CSS.escape(message.id)}"]`)?.scrollIntoView({ block: 'nearest' });
}

export function openThread(message: Message): void {
  ui.open(message.conversation, undefined, message.thread ?? message.id);
}

export function react(message: Message, emoji: string): void {
  rememberEmoji(emoji);
  void attempt(session.react(message, emoji));
}

export function save(message: Message): void {
  void attempt(session.save(message, !message.saved)).then((done) => {
    if (done) toast(message.saved ? t('toast.unsaved') : t('toast.saved'), { undo: () => void attempt(session.save(message, message.saved === true)) });
  });
}

export function pin(message: Message): void {
  const wasPinned = message.pinned !== undefined;
  void attempt(session.pin(message, !wasPinned)).then((done) => {
    if (done && wasPinned) toast(t('toast.unpinned'), { undo: () => void attempt(session.pin(message, true)) });
  });
}

export function recall(message: Message): void {
  const { text } = message;
  void attempt(session.recall(message)).then((done) => {
    if (!done) return;
    // The buttons are gone with the text, and the focus must not be.
    void tick().then(() => document.querySelector<HTMLElement>(`[data-message="${CSS.escape(message.id)}"]`)?.focus());
    if (message.from.address === session.me && text !== '') ui.takenBack.set(message.id, text);
    ui.announce(t('toast.recalled'));
  });
}

/** Puts what was taken back into the field, to be sent in other words. */
export function rewrite(message: Message): void {
  const text = ui.takenBack.get(message.id);
  if (text === undefined) return;
  ui.takenBack.delete(message.id);
  ui.rewriting = { conversation: message.conversation, text, ...(message.thread === undefined ? {} : { thread: message.thread }) };
  focusComposer(isReply(message));
}

export async function copy(text: string, said: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast(said);
  } catch {
    toast(t('toast.notCopied'), { kind: 'alert' });
  }
}

export function copyLink(message: Message): void {
  void copy(linkTo(message), t('toast.linkCopied'));
}

export function markUnread(message: Message): void {
  ui.leftUnread = message.conversation;
  void attempt(session.unread(message.conversation, message.position));
}

/** Whether a message stands in a thread, and not in its conversation. */
function isReply({ id, thread }: Message): boolean {
  return thread !== undefined && thread !== id;
}

/** Leads to writing, in the conversation or in the thread beside it, once what was just changed is on the page: the field may have been hidden until then. */
export function focusComposer(inThread = false): void {
  const region = inThread ? 'panel' : 'main';
  void tick().then(() => document.querySelector<HTMLElement>(`[data-region="${region}"] [data-region="composer"] textarea`)?.focus());
}

/** Leads from writing to the message that Tab would reach. */
export function focusMessages(): void {
  document.querySelector<HTMLElement>('[data-region="main"] [data-region="timeline"] article[tabindex="0"]')?.focus();
}

export function messageKeys(event: KeyboardEvent, message: Message, isInThread: boolean): void {
  const target = event.target as HTMLElement;
  // The keys are for the message itself and not for the buttons in it.
  if (target.dataset.message === undefined || event.ctrlKey || event.metaKey || event.altKey || message.recalled) return;
  const key = event.key.toLowerCase();
  const deed = {
    r: () => reply(message),
    '>': () => reply(message),
    t: () => !isInThread && openThread(message),
    e: () => (ui.reacting = message.id),
    // Others see it: no slip of a finger does it.
    ...(event.shiftKey ? { p: () => pin(message) } : {}),
    s: () => save(message),
    u: () => markUnread(message),
    c: () => void copy(message.text, t('toast.textCopied')),
    l: () => copyLink(message),
  }[key];
  if (!deed) return;
  event.preventDefault();
  deed();
}
