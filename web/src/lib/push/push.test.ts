// Tests the service worker in a make-believe browser, and what the page knows of it.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { bytesOf, canPush, startWorker, subscribe } from '.';
import source from '../../../public/sw.js?raw';

const ORIGIN = 'https://chat.example';
type Handler = (event: unknown) => void;

interface Page {
  url: string;
  focused: boolean;
  visibilityState: string;
  focus: () => Promise<void>;
  postMessage: (message: unknown) => void;
}

class Notice {
  closed = false;
  constructor(
    readonly title: string,
    readonly options: NotificationOptions,
  ) {}
  close(): void {
    this.closed = true;
  }
}

/** The worker's world: a cache, the network, the pages and the notifications. */
function world(lang = 'en') {
  const handlers = new Map<string, Handler>();
  const files = new Map<string, Response>();
  const opened: string[] = [];
  const notices: Notice[] = [];
  const pages: Page[] = [];
  const network = vi.fn<(request: Request) => Promise<Response>>();
  const keyOf = (request: Request | string): string => new URL(typeof request === 'string' ? request : request.url, ORIGIN).href;
  const cache = {
    add: async (request: Request) => void files.set(keyOf(request), await network(request)),
    put: (request: Request | string, response: Response) => Promise.resolve(void files.set(keyOf(request), response)),
    keys: () => Promise.resolve([...files.keys()].map((url) => ({ url }))),
    delete: (request: { url: string }) => Promise.resolve(files.delete(request.url)),
  };
  const names = new Set(['waxwing-0', 'waxwing-1', 'other']);
  const caches = {
    open: () => Promise.resolve(cache),
    match: (request: Request | string) => Promise.resolve(files.get(keyOf(request))?.clone()),
    keys: () => Promise.resolve([...names]),
    has: (name: string) => Promise.resolve(names.has(name)),
    delete: (name: string) => Promise.resolve(names.delete(name)),
  };
  const self = {
    location: new URL(`${ORIGIN}/sw.js?lang=${lang}`),
    navigator: { language: lang },
    skipWaiting: () => Promise.resolve(),
    addEventListener: (name: string, handler: Handler) => handlers.set(name, handler),
    registration: {
      showNotification: (title: string, options: NotificationOptions) => Promise.resolve(void notices.push(new Notice(title, options))),
      getNotifications: () => Promise.resolve(notices.map((notice) => Object.assign(notice, { tag: notice.options.tag, data: notice.options.data as unknown }))),
    },
    clients: { matchAll: () => Promise.resolve(pages), claim: () => Promise.resolve(), openWindow: (url: string) => Promise.resolve(void opened.push(url)) },
  };
  class LocalRequest {
    url: string;
    constructor(
      input: string,
      readonly init: { method?: string; mode?: string } = {},
    ) {
      this.url = new URL(input, ORIGIN).href;
    }
    get method(): string {
      return this.init.method ?? 'GET';
    }
    get mode(): string {
      return this.init.mode ?? 'no-cors';
    }
  }
  new Function('self', 'caches', 'fetch', 'Request', source)(self, caches, network, LocalRequest);

  /** Sends an event and waits for all that it started. */
  async function send(name: string, event: Record<string, unknown> = {}): Promise<Response | undefined> {
    const waits: Promise<unknown>[] = [];
    let answer: Promise<Response> | undefined;
    handlers.get(name)?.({ ...event, waitUntil: (p: Promise<unknown>) => waits.push(p), respondWith: (p: Promise<Response>) => (answer = p) });
    const response = await answer;
    for (let done = 0; done < waits.length; done += 1) await waits[done];
    return response;
  }
  const get = (path: string, init: { method?: string; mode?: string } = {}) => send('fetch', { request: new LocalRequest(path, init) });
  const push = (data: unknown) => send('push', { data: { json: () => (data === undefined ? JSON.parse('{') : data) } });
  return { send, get, push, network, files, names, notices, opened, pages };
}

const basic = (body: string, status = 200): Response => Object.defineProperties(new Response(body, { status }), { type: { value: 'basic' }, clone: { value: () => basic(body, status) } });
const somebody = (focused: boolean, path = '/#/c/a%40b.example'): Page => ({ url: `${ORIGIN}${path}`, focused, visibilityState: 'visible', focus: vi.fn(() => Promise.resolve()), postMessage: vi.fn() });

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe('the page', () => {
  const navigate = { mode: 'navigate' };

  it('comes from the network, and from the cache without one', async () => {
    const { get, network } = world();
    network.mockResolvedValueOnce(basic('new'));
    expect(await (await get('/', navigate))?.text()).toBe('new');
    network.mockRejectedValueOnce(new TypeError('no network'));
    expect(await (await get('/', navigate))?.text()).toBe('new');
    network.mockResolvedValueOnce(basic('bad gateway', 502));
    expect(await (await get('/', navigate))?.text()).toBe('new');
  });

  it('does not wait long for the network', async () => {
    const { get, network, files } = world();
    files.set(`${ORIGIN}/`, basic('kept'));
    vi.useFakeTimers();
    network.mockReturnValueOnce(new Promise(() => undefined));
    const answer = get('/', navigate);
    await vi.advanceTimersByTimeAsync(4000);
    expect(await (await answer)?.text()).toBe('kept');
  });

  it('is kept when the worker is installed, whose older caches go', async () => {
    const { send, network, files, names } = world();
    network.mockResolvedValueOnce(basic('page'));
    await send('install');
    expect([...files.keys()]).toEqual([`${ORIGIN}/`]);
    await send('activate');
    expect([...names]).toEqual(['waxwing-1', 'other']);
  });
});

describe('files', () => {
  it('with their content in the name are asked for once', async () => {
    const { get, network } = world();
    network.mockResolvedValueOnce(basic('code'));
    await get('/assets/a-1234.js');
    expect(await (await get('/assets/a-1234.js'))?.text()).toBe('code');
    expect(network).toHaveBeenCalledTimes(1);
  });

  it('that failed are not kept', async () => {
    const { get, network, files } = world();
    network.mockResolvedValueOnce(basic('no', 404));
    expect((await get('/assets/b.js'))?.status).toBe(404);
    expect(files.size).toBe(0);
  });

  it('that the page loaded before there was a worker are kept when it tells of them', async () => {
    const { send, network, files } = world();
    network.mockImplementation(() => Promise.resolve(basic('code')));
    files.set(`${ORIGIN}/assets/a.js`, basic('known'));
    await send('message', { data: { type: 'keep', files: [`${ORIGIN}/assets/a.js`, `${ORIGIN}/assets/b.js`, `${ORIGIN}/api/about`, 'https://other.example/assets/c.js', 5] } });
    expect([...files.keys()]).toEqual([`${ORIGIN}/assets/a.js`, `${ORIGIN}/assets/b.js`]);
    expect(network).toHaveBeenCalledTimes(1);
    for (const data of [undefined, {}, { type: 'keep' }, { type: 'other', files: ['/assets/d.js'] }]) await send('message', { data });
    expect(files.size).toBe(2);
  });

  it('do not pile up', async () => {
    const { get, network, files } = world();
    network.mockImplementation(() => Promise.resolve(basic('x')));
    await get('/', { mode: 'navigate' });
    for (let i = 0; i < 160; i += 1) await get(`/assets/${i}.js`);
    expect(files.size).toBe(151);
    expect(files.has(`${ORIGIN}/`)).toBe(true);
    expect(files.has(`${ORIGIN}/assets/0.js`)).toBe(false);
  });

  it('of people and calls of the server are never touched', async () => {
    const { get } = world();
    for (const path of ['/api/socket', '/api/about', '/files/x', '/files/x.html']) expect(await get(path)).toBeUndefined();
    expect(await get('/assets/a.js', { method: 'POST' })).toBeUndefined();
    expect(await get('https://other.example/assets/a.js')).toBeUndefined();
    expect(await get('/files/page.html', { mode: 'navigate' })).toBeUndefined();
  });

  it('with the picture of somebody are kept for as long as the page has a place for them', async () => {
    const { get, send, network, files, names } = world();
    network.mockImplementation(() => Promise.resolve(basic('face')));
    await get('/api/avatar/a@b/1');
    expect(files.size).toBe(0);
    names.add('waxwing-pictures');
    await get('/api/avatar/a@b/1');
    network.mockRejectedValue(new TypeError('no network'));
    expect(await (await get('/api/avatar/a@b/1'))?.text()).toBe('face');
    await send('activate');
    expect(names.has('waxwing-pictures')).toBe(true);
  });
});

describe('pushes', () => {
  const message = { type: 'message', tag: 't', id: '1', position: 1_700_000_000_000_000, count: 1, mention: false, conversation: 'a@b.example', sender: 'Anna', text: 'Hello' };

  it('are shown with what may be told', async () => {
    const { push, notices } = world();
    await push(message);
    await push({ ...message, mention: true, count: 3 });
    await push({ type: 'message', tag: 't', count: 2, mention: false });
    await push({ type: 'message', tag: 't', count: 1, mention: true });
    expect(notices.map((n) => [n.title, n.options.body])).toEqual([
      ['Anna', 'Hello'],
      ['Anna mentioned you', 'Hello\n3 new messages'],
      ['Waxwing', '2 new messages'],
      ['You were mentioned', 'New message'],
    ]);
    expect(notices[0]?.options).toMatchObject({ tag: 't', timestamp: 1_700_000_000_000, data: { conversation: 'a@b.example', id: '1' } });
  });

  it('speak the language of the page', async () => {
    const { push, notices } = world('zh-CN');
    await push({ ...message, mention: true, count: 2 });
    expect(notices.map((n) => [n.title, n.options.body])).toEqual([['Anna提到了你', 'Hello\n2 条新消息']]);
  });

  it('are shown even if they cannot be read, because the browser demands it', async () => {
    const { push, notices } = world();
    await push(undefined);
    await push({ type: 'message', count: 'x', sender: 5, text: null });
    expect(notices.map((n) => n.title)).toEqual(['Waxwing', 'Waxwing']);
  });

  it('are not shown to who looks at the page', async () => {
    const { push, notices, pages } = world();
    pages.push(somebody(false));
    await push(message);
    pages.push(somebody(true));
    await push(message);
    expect(notices).toHaveLength(1);
    pages.splice(0, 2, somebody(true, '/files/1/picture.png'));
    await push(message);
    expect(notices).toHaveLength(2);
  });

  it('go away when they were read elsewhere', async () => {
    const { push, notices } = world();
    await push(message);
    await push({ ...message, id: '2', tag: 'u' });
    await push({ type: 'read', tag: 't' });
    expect(notices.map((n) => n.closed)).toEqual([true, false]);
  });

  it('lead to the conversation when they are clicked', async () => {
    const { send, opened, pages } = world();
    const notification = { close: vi.fn(), data: { conversation: 'a+c@b.example', id: '1', position: 7 } };
    await send('notificationclick', { notification });
    expect(opened).toEqual(['/#/c/a%2Bc%40b.example?at=7']);
    await send('notificationclick', { notification: { close: vi.fn(), data: undefined } });
    expect(opened[1]).toBe('/');
    const open = somebody(false);
    const file = somebody(true, '/files/1/picture.png');
    pages.push(file, open);
    await send('notificationclick', { notification });
    expect(open.focus).toHaveBeenCalled();
    expect(open.postMessage).toHaveBeenCalledWith({ type: 'open', conversation: 'a+c@b.example', id: '1', position: 7 });
    expect(file.focus).not.toHaveBeenCalled();
    expect(opened).toHaveLength(2);
    expect(notification.close).toHaveBeenCalledTimes(2);
  });
});

describe('the page side', () => {
  let listeners: ((event: { data: unknown }) => void)[];
  let taken: (() => void)[];
  let load: (...entries: [path: string, workerStart: number][]) => void;
  const register = vi.fn(() => Promise.resolve());
  beforeEach(() => {
    listeners = [];
    taken = [];
    load = () => undefined;
    vi.stubGlobal(
      'PerformanceObserver',
      class {
        constructor(observed: (list: { getEntries: () => object[] }) => void) {
          load = (...entries) => observed({ getEntries: () => entries.map(([path, workerStart]) => ({ name: `${ORIGIN}${path}`, workerStart })) });
        }
        observe(): void {}
        disconnect(): void {}
      },
    );
    register.mockClear();
    vi.stubGlobal('navigator', {
      serviceWorker: {
        register,
        controller: null,
        addEventListener: (name: string, listener: (event: { data: unknown }) => void) => (name === 'message' ? listeners : taken).push(listener as () => void),
        removeEventListener: (_: string, listener: (event: { data: unknown }) => void) => {
          listeners = listeners.filter((l) => l !== listener);
          taken = taken.filter((l) => l !== listener);
        },
      },
    });
  });

  it('hears the worker, and only what it knows', () => {
    const onopen = vi.fn();
    const onresubscribe = vi.fn();
    const stop = startWorker('zh-CN', { onopen, onresubscribe });
    expect(register).toHaveBeenCalledWith('/sw.js?lang=zh-CN', { scope: '/', updateViaCache: 'none' });
    for (const data of [null, 'x', {}, { type: 'other' }, { type: 'open', conversation: 5 }, { type: 'open', conversation: 'a@b', id: '1', position: 7 }, { type: 'resubscribe' }]) for (const listener of listeners) listener({ data });
    expect(onopen.mock.calls).toEqual([[{}], [{ conversation: 'a@b', id: '1', position: 7 }]]);
    expect(onresubscribe).toHaveBeenCalledTimes(1);
    stop();
    expect([...listeners, ...taken]).toEqual([]);
  });

  it('tells the worker what was asked for before it could see it', () => {
    startWorker('en', { onopen: () => undefined });
    load(['/assets/a.js', 0], ['/api/about', 0]);
    const postMessage = vi.fn();
    Object.assign(navigator.serviceWorker, { controller: { postMessage } });
    for (const listener of taken) listener();
    // On its way when the worker took over; and what the worker has seen itself.
    load(['/assets/b.js', 0], ['/assets/c.js', 7]);
    for (const listener of taken) listener();
    expect(postMessage.mock.calls.map(([message]) => message as unknown)).toEqual(['a', 'b'].map((name) => ({ type: 'keep', files: [`${ORIGIN}/assets/${name}.js`] })));
  });

  it('bears browsers that cannot do it', async () => {
    expect(canPush()).toBe(false);
    expect(await subscribe('BA')).toBeUndefined();
    vi.stubGlobal('navigator', {});
    expect(() => startWorker('en', { onopen: () => undefined })()).not.toThrow();
  });

  it('reads keys', () => {
    expect([...bytesOf('-_8A')]).toEqual([251, 255, 0]);
  });
});
