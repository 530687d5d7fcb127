// Notifications of the desktop: shown by the service worker where there is one, because browsers on telephones know no other way, and
// taken back once what they tell of was read.
import { plain } from '$lib/markup';
import { t } from '$lib/i18n';
import type { Address, Message } from '$lib/api';
import { goTo, session } from './app.svelte';

/** More is cut by every system. */
const LONGEST = 240;
const ICON = '/icon-192.png';

/** Conversations of which something is shown. */
const shown = new Map<Address, Notification | undefined>();

/** What this browser says to notifications; undefined where it knows none. */
export function permission(): NotificationPermission | undefined {
  return typeof Notification === 'undefined' ? undefined : Notification.permission;
}

async function worker(): Promise<ServiceWorkerRegistration | undefined> {
  if (typeof navigator === 'undefined' || !('serviceWorker' in navigator)) return undefined;
  const registration = await navigator.serviceWorker.getRegistration().catch(() => undefined);
  return registration?.active ? registration : undefined;
}

/** Shows a notification; what it makes to hear is the page's own sound. The answer of a click is `onclick`, or the worker's. */
async function put(title: string, options: NotificationOptions & { renotify?: boolean }, onclick: () => void): Promise<Notification | undefined> {
  const registration = await worker();
  if (registration) {
    await registration.showNotification(title, options);
    return undefined;
  }
  const notification = new Notification(title, options);
  notification.onclick = () => {
    window.focus();
    onclick();
    notification.close();
  };
  return notification;
}

/** Tells of a message. */
export async function notify(message: Message, room: string | undefined): Promise<void> {
  if (permission() !== 'granted') return;
  const { address, name } = message.from;
  const hash = session.people.person(address)?.avatar;
  const { conversation, id, position } = message;
  // A push may have told of it already.
  const told = await (await worker())?.getNotifications().catch(() => []);
  if (told?.some((one) => (one.data as { id?: string } | null)?.id === id)) return;
  try {
    const notification = await put(
      room ? t('notify.in', { name, room }) : name,
      {
        body: plain(message.text).slice(0, LONGEST) || t('notify.file'),
        tag: conversation,
        renotify: true,
        silent: true,
        icon: hash ? `/api/avatar/${encodeURIComponent(address)}/${encodeURIComponent(hash)}` : ICON,
        badge: '/icon-maskable-192.png',
        data: { conversation, id, position },
      } as NotificationOptions,
      () => goTo(message),
    );
    shown.set(conversation, notification);
  } catch {
    // The system may refuse although the browser does not.
  }
}

/** Shows one, to see whether they come. */
export async function notifyOfNothing(): Promise<void> {
  await put('Waxwing', { body: t('settings.test'), icon: ICON, tag: 'test' }, () => undefined);
}

/** Takes back what tells of conversations in which nothing is unread any more. */
export async function takeBack(isRead: (conversation: Address) => boolean): Promise<void> {
  const over = [...shown].filter(([conversation]) => isRead(conversation));
  if (over.length === 0) return;
  for (const [conversation, notification] of over) {
    shown.delete(conversation);
    notification?.close();
  }
  const addresses = new Set(over.map(([conversation]) => conversation));
  for (const one of (await (await worker())?.getNotifications().catch(() => [])) ?? []) {
    const { conversation } = (one.data ?? {}) as { conversation?: Address };
    if (conversation !== undefined && addresses.has(conversation)) one.close();
  }
}
