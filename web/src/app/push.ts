// Being told of messages while no page is open: the service worker, and the subscription that the server pushes to.
import { locale } from '$lib/i18n';
import { canPush, startWorker, subscribe, subscribed, unsubscribe } from '$lib/push';
import { session, ui } from './app.svelte';

/** Starts the worker of the page, and keeps a subscription that is there known to the server. */
export function watchPush(): () => void {
  const stop = startWorker(locale(), {
    onopen: ({ conversation, position }) => {
      if (conversation !== undefined) ui.open(conversation, position);
    },
    onresubscribe: () => void subscribeToPush(),
  });
  void renew();
  return stop;
}

async function renew(): Promise<void> {
  try {
    if (canPush() && Notification.permission === 'granted' && (await subscribed())) await subscribeToPush();
  } catch {
    // Pushes are a help; the page works without.
  }
}

/** Asks the reader whether notifications may be shown; from a press of a button. */
export async function askToNotify(): Promise<NotificationPermission> {
  const answer = await Notification.requestPermission();
  if (answer === 'granted') await subscribeToPush();
  return answer;
}

/** Asks the browser for a subscription, and tells it to the server. */
export async function subscribeToPush(): Promise<void> {
  if (!canPush()) return;
  try {
    const { key } = await session.call('push.key', {});
    const address = await subscribe(key);
    if (address) await session.call('push.subscribe', address);
  } catch {
    // A browser without a push service tells of messages while it is open.
  }
}

/** Whoever signs out is not told any more. */
export async function endPush(): Promise<void> {
  try {
    const endpoint = await unsubscribe();
    if (endpoint) await session.call('push.unsubscribe', { endpoint });
  } catch {
    // The server forgets it with the session.
  }
}
