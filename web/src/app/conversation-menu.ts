// What can be done with a conversation, for its menus in the list and in its header.
import { t } from '$lib/i18n';
import { toast, type MenuItem } from '$lib/ui';
import type { Conversation } from '$lib/api';
import { isMuted, isUnread } from '$lib/state/conversations.svelte';
import { moveBefore } from '$lib/state/sections';
import { attempt, session, ui } from './app.svelte';
import { leaveRoom } from './commands';

const HOUR_MS = 3_600_000;

/** Puts a conversation into a section, before another or last. */
export async function moveTo(moved: Conversation, section: string, shown: readonly Conversation[] = [], before?: Conversation): Promise<void> {
  const isOwn = session.preferences.values.sections.some((s) => s.id === section);
  const place = { favourite: section === 'favourites' ? (true as const) : null, section: isOwn ? section : null };
  // Direct conversations stand in the order of their last messages.
  const orders = section === 'direct' ? new Map<string, number>() : moveBefore(shown, moved, before);
  await Promise.all([
    session.configure(moved.address, { ...place, order: orders.get(moved.address) ?? null }),
    ...[...orders].filter(([address]) => address !== moved.address).map(([address, order]) => session.configure(address, { order })),
  ]);
}

export function conversationMenu(conversation: Conversation): MenuItem[] {
  const { address, settings, kind } = conversation;
  const configure = (change: Parameters<typeof session.configure>[1]) => void attempt(session.configure(address, change));
  const items: MenuItem[] = [];
  if (isUnread(conversation)) {
    items.push({
      label: t('menu.read'),
      icon: 'check',
      onselect: () => void attempt(session.read(address, conversation.last?.position ?? conversation.seen)),
    });
  } else {
    items.push({
      label: t('menu.unread'),
      icon: 'circle',
      onselect: () => {
        ui.leftUnread = address;
        configure({ marked_unread: true });
      },
    });
  }
  items.push({
    label: settings.favourite ? t('menu.unfavourite') : t('menu.favourite'),
    icon: settings.favourite ? 'star-filled' : 'star',
    onselect: () => configure({ favourite: settings.favourite ? null : true }),
  });
  for (const section of session.preferences.values.sections) {
    if (section.id === settings.section) continue;
    items.push({ label: t('section.moveTo', { name: section.name }), icon: 'folder', onselect: () => void attempt(moveTo(conversation, section.id)) });
  }
  if (settings.section !== undefined) {
    items.push({ label: t('section.moveOut'), icon: 'folder', onselect: () => configure({ section: null, order: null }) });
  }
  items.push({ label: t('section.moveToNew'), icon: 'plus', onselect: () => ui.editSection({ conversation: conversation.address }) });
  if (isMuted(conversation)) {
    items.push({ label: t('menu.unmute'), icon: 'bell', onselect: () => configure({ muted_until_ms: null }) });
  } else {
    items.push({ label: t('menu.mute'), icon: 'bell-off', onselect: () => configure({ muted_until_ms: 0 }) });
    items.push({
      label: t('menu.muteHour'),
      icon: 'clock',
      onselect: () => configure({ muted_until_ms: Date.now() + HOUR_MS }),
    });
  }
  const rules = ['all', 'mentions', 'nothing'] as const;
  for (const [index, rule] of rules.entries()) {
    items.push({
      label: t(`menu.notify.${rule}`),
      checked: settings.notify === rule,
      separated: index === 0,
      onselect: () => configure({ notify: settings.notify === rule ? null : rule }),
    });
  }
  if (kind === 'room') {
    items.push({
      label: t('menu.leave'),
      icon: 'door',
      danger: true,
      separated: true,
      onselect: () => void leaveRoom(conversation),
    });
  } else {
    items.push({
      label: t('menu.hide'),
      icon: 'eye-off',
      separated: true,
      onselect: () => {
        configure({ hidden: true });
        if (ui.conversation === address) ui.view('home');
        toast(t('toast.hidden', { name: conversation.name }), { undo: () => configure({ hidden: null }) });
      },
    });
  }
  return items;
}
