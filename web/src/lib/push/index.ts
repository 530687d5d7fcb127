// The service worker and Web Push, as the page sees them.

/** What a click on a notification wants to see. */
export interface Opened {
  conversation?: string;
  id?: string;
  position?: number;
}

/** A subscription as `push.subscribe` of the server takes it. */
export interface PushAddress {
  endpoint: string;
  keys: { p256dh: string; auth: string };
}

export interface WorkerEvents {
  /** A notification was clicked while the page was there. */
  onopen: (opened: Opened) => void;
  /** The browser has replaced the subscription: subscribe again. */
  onresubscribe?: () => void;
}

/** Whether this browser can be pushed to. On an iPhone only once the page is on the home screen. */
export function canPush(): boolean {
  return typeof navigator !== 'undefined' && 'serviceWorker' in navigator && 'PushManager' in globalThis && 'Notification' in globalThis;
}

/** Starts the service worker in a language; only over TLS or on this machine. The answer stops listening to it. */
export function startWorker(language: string, { onopen, onresubscribe }: WorkerEvents): () => void {
  if (typeof navigator === 'undefined' || !('serviceWorker' in navigator)) return () => undefined;
  const heard = (event: MessageEvent<unknown>): void => {
    const message = event.data;
    if (typeof message !== 'object' || message === null || !('type' in message)) return;
    if (message.type === 'resubscribe') onresubscribe?.();
    if (message.type === 'open') onopen(openedOf(message));
  };
  navigator.serviceWorker.addEventListener('message', heard);
  const stopTelling = tellLoaded();
  // Without it the page works too.
  navigator.serviceWorker.register(`/sw.js?lang=${encodeURIComponent(language)}`, { scope: '/', updateViaCache: 'none' }).catch(() => undefined);
  return () => {
    navigator.serviceWorker.removeEventListener('message', heard);
    stopTelling();
  };
}

/** Tells the worker what was asked for before it could see it, also what arrives after it has taken over. The answer ends it. */
function tellLoaded(): () => void {
  let untold: string[] = [];
  const tell = (): void => {
    const { controller } = navigator.serviceWorker;
    if (!controller || untold.length === 0) return;
    controller.postMessage({ type: 'keep', files: untold });
    untold = [];
  };
  const observer = new PerformanceObserver((list) => {
    const unseen = (list.getEntries() as PerformanceResourceTiming[]).filter(({ name, workerStart }) => workerStart === 0 && new URL(name).pathname.startsWith('/assets/'));
    untold.push(...unseen.map(({ name }) => name));
    tell();
  });
  observer.observe({ type: 'resource', buffered: true });
  navigator.serviceWorker.addEventListener('controllerchange', tell);
  return () => {
    observer.disconnect();
    navigator.serviceWorker.removeEventListener('controllerchange', tell);
  };
}

function openedOf(message: object): Opened {
  const opened: Opened = {};
  if ('conversation' in message && typeof message.conversation === 'string') opened.conversation = message.conversation;
  if ('id' in message && typeof message.id === 'string') opened.id = message.id;
  if ('position' in message && typeof message.position === 'number') opened.position = message.position;
  return opened;
}

/** The bytes of base 64 for URLs, which the browser wants of the server's key. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replace(/-/g, '+').replace(/_/g, '/'));
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

function addressOf(subscription: PushSubscription): PushAddress | undefined {
  const { endpoint, keys } = subscription.toJSON();
  return endpoint && keys?.p256dh && keys.auth ? { endpoint, keys: { p256dh: keys.p256dh, auth: keys.auth } } : undefined;
}

const sameKey = (subscription: PushSubscription, key: Uint8Array): boolean => {
  const has = subscription.options.applicationServerKey;
  if (!has) return false;
  const bytes = new Uint8Array(has);
  return bytes.length === key.length && bytes.every((byte, i) => byte === key[i]);
};

/**
 * Subscribes this browser with the key of the server, after having asked for permission; call it from a press of a button. Answers with
 * what the server has to know, or undefined if the reader does not allow it.
 */
export async function subscribe(key: string): Promise<PushAddress | undefined> {
  if (!canPush() || (await Notification.requestPermission()) !== 'granted') return undefined;
  const worker = await navigator.serviceWorker.ready;
  const applicationServerKey = bytesOf(key);
  const before = await worker.pushManager.getSubscription();
  // Of another server, or of this one before its key was replaced.
  if (before && !sameKey(before, applicationServerKey)) await before.unsubscribe();
  return addressOf(await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey }));
}

/** The subscription of this browser, if there is one. */
export async function subscribed(): Promise<PushAddress | undefined> {
  if (!canPush()) return undefined;
  const worker = await navigator.serviceWorker.getRegistration();
  const subscription = await worker?.pushManager.getSubscription();
  return subscription ? addressOf(subscription) : undefined;
}

/** Ends it. Answers with the endpoint that the server has to forget. */
export async function unsubscribe(): Promise<string | undefined> {
  if (!canPush()) return undefined;
  const worker = await navigator.serviceWorker.getRegistration();
  const subscription = await worker?.pushManager.getSubscription();
  if (!subscription) return undefined;
  await subscription.unsubscribe();
  return subscription.endpoint;
}
