// The service worker: keeps the page for when there is no network, and shows what is pushed. Plain JavaScript, served as it is.

const CACHE = 'waxwing-1';
const PAGE = '/';
/** How long the network may take for the page before the kept one is shown. */
const PATIENCE_MS = 4000;
/** So many files are kept: those of some versions. */
const MOST_FILES = 150;
/** Pictures of people. The page makes this place when it keeps what is read, and takes it away when somebody signs out. */
const PICTURES = 'waxwing-pictures';
const MOST_PICTURES = 500;
/** A file whose name tells its content is the same whoever asks. */
const SAME = { ignoreVary: true };

const TEXTS = {
  en: { one: 'New message', many: (n) => `${n} new messages`, mention: (who) => `${who} mentioned you`, mentioned: 'You were mentioned' },
  zh: { one: '新消息', many: (n) => `${n} 条新消息`, mention: (who) => `${who}提到了你`, mentioned: '有人提到了你' },
};

/** The page registers the worker with its language. */
function texts() {
  const language = new URL(self.location.href).searchParams.get('lang') ?? self.navigator.language ?? 'en';
  return TEXTS[language.slice(0, 2)] ?? TEXTS.en;
}

self.addEventListener('install', (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.add(new Request(PAGE, { cache: 'reload' })))
      .catch(() => undefined)
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener('activate', (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name.startsWith('waxwing-') && name !== CACHE && name !== PICTURES).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

async function keep(request, response, name = CACHE, most = MOST_FILES) {
  if (!response.ok || response.type !== 'basic') return;
  const cache = await caches.open(name);
  await cache.put(request, response);
  const kept = await cache.keys();
  // The oldest first; the page itself stays.
  const old = kept.filter((one) => new URL(one.url).pathname !== PAGE);
  await Promise.all(old.slice(0, Math.max(0, old.length - most)).map((one) => cache.delete(one)));
}

/** From the network; what is kept if the network is slow or not there. */
async function page(event) {
  const fresh = fetch(event.request).then((response) => {
    // A proxy answers in place of a server that is down.
    if (response.status >= 500) throw new Error(`status ${response.status}`);
    event.waitUntil(keep(PAGE, response.clone()));
    return response;
  });
  // Whatever is shown, a failure that comes later is no error.
  fresh.catch(() => undefined);
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error('slow')), PATIENCE_MS));
  try {
    return await Promise.race([fresh, late]);
  } catch {
    return (await caches.match(PAGE)) ?? fetch(event.request);
  }
}

/** A file whose name changes with its content: never asked for twice. */
async function file(event) {
  const kept = await caches.match(event.request, SAME);
  if (kept) return kept;
  const response = await fetch(event.request);
  event.waitUntil(keep(event.request, response.clone()));
  return response;
}

/** Keeps what a page was made of before there was a worker. The browser has it still, so that nothing is loaded twice. */
async function keepLoaded(files) {
  for (const file of files) {
    if (typeof file !== 'string') continue;
    const { origin, pathname } = new URL(file, self.location.origin);
    if (origin !== self.location.origin || !pathname.startsWith('/assets/') || (await caches.match(pathname, SAME))) continue;
    await fetch(pathname).then((response) => keep(pathname, response)).catch(() => undefined);
  }
}

self.addEventListener('message', (event) => {
  if (event.data?.type === 'keep' && Array.isArray(event.data.files)) event.waitUntil(keepLoaded(event.data.files));
});

/** Somebody's picture, whose name changes with its content: kept only where what is read is kept. */
async function picture(event) {
  const kept = await caches.match(event.request);
  if (kept) return kept;
  const response = await fetch(event.request);
  const copy = response.clone();
  event.waitUntil(caches.has(PICTURES).then((isThere) => (isThere ? keep(event.request, copy, PICTURES, MOST_PICTURES) : undefined)));
  return response;
}

/** Pictures of the application: the newest, or the kept. */
async function newest(event) {
  try {
    const response = await fetch(event.request);
    event.waitUntil(keep(event.request, response.clone()));
    return response;
  } catch (error) {
    const kept = await caches.match(event.request);
    if (kept) return kept;
    throw error;
  }
}

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== self.location.origin) return;
  if (url.pathname.startsWith('/assets/')) event.respondWith(file(event));
  else if (url.pathname.startsWith('/api/avatar/')) event.respondWith(picture(event));
  else if (request.mode === 'navigate' && url.pathname === PAGE) event.respondWith(page(event));
  else if (/^\/(?:favicon|icon-|apple-touch-icon|manifest)/.test(url.pathname)) event.respondWith(newest(event));
});

function noticeOf(pushed) {
  const words = texts();
  const count = Number.isSafeInteger(pushed.count) && pushed.count > 1 ? pushed.count : 1;
  const sender = typeof pushed.sender === 'string' ? pushed.sender : '';
  const text = typeof pushed.text === 'string' ? pushed.text : '';
  const title = sender === '' ? (pushed.mention ? words.mentioned : 'Waxwing') : pushed.mention ? words.mention(sender) : sender;
  const body = text === '' ? (count > 1 ? words.many(count) : words.one) : count > 1 ? `${text}\n${words.many(count)}` : text;
  return { title, body };
}

async function pushed(event) {
  let message;
  try {
    message = event.data.json();
  } catch {
    message = { type: 'message' };
  }
  const tag = typeof message.tag === 'string' ? message.tag : 'waxwing';
  if (message.type === 'read') {
    for (const shown of await self.registration.getNotifications()) {
      if (shown.tag === tag || shown.tag === message.conversation) shown.close();
    }
    return;
  }
  const pages = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  // Who looks at the page sees the message there; who looks at a file that somebody sent does not.
  if (pages.some((one) => one.focused && one.visibilityState === 'visible' && new URL(one.url).pathname === PAGE)) return;
  // The page itself may have told of it while nobody looked.
  const told = await self.registration.getNotifications();
  if (typeof message.id === 'string' && told.some((one) => one.data?.id === message.id && one.tag !== tag)) return;
  const { title, body } = noticeOf(message);
  await self.registration.showNotification(title, {
    body,
    tag,
    renotify: true,
    icon: '/icon-192.png',
    badge: '/icon-maskable-192.png',
    timestamp: Number.isFinite(message.position) ? Math.floor(message.position / 1000) : Date.now(),
    data: { conversation: message.conversation, id: message.id, position: message.position },
  });
}

self.addEventListener('push', (event) => event.waitUntil(pushed(event)));

async function clicked(data) {
  const pages = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  const own = pages.filter((one) => new URL(one.url).pathname === PAGE);
  const open = own.find((one) => one.focused) ?? own[0];
  if (open) {
    await open.focus();
    open.postMessage({ type: 'open', ...data });
    return;
  }
  // The page finds what was clicked when it has started.
  const target = typeof data?.conversation === 'string' ? `/#/c/${encodeURIComponent(data.conversation)}${Number.isFinite(data.position) ? `?at=${data.position}` : ''}` : '/';
  await self.clients.openWindow(target);
}

self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  event.waitUntil(clicked(event.notification.data));
});

self.addEventListener('pushsubscriptionchange', (event) => {
  event.waitUntil(self.clients.matchAll({ type: 'window', includeUncontrolled: true }).then((pages) => pages.forEach((one) => one.postMessage({ type: 'resubscribe' }))));
});
