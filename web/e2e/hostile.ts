// Sends hostile texts through a real server wherever people can write something, and looks whether any of it runs.
// `hostile URL ADDRESS PASSWORD ADDRESS PASSWORD`: the server runs already, and the accounts exist.
import type { Page } from 'playwright-core';
import type { Method, Params, Result } from '$lib/api';
import { openBrowser, openPage, signIn, still } from './browser';

/** Each calls `hit`, if it runs. */
const TEXTS = [
  '<script>hit()</script>',
  '<img src=x onerror=hit()>',
  '"><svg onload=hit()>',
  "'><iframe srcdoc='<script>parent.hit()</script>'>",
  '<a href="javascript:hit()">click</a>',
  '[click](javascript:hit())',
  'javascript:hit()',
  '[x](https://a.example" onmouseover="hit())',
  'https://a.example/"onmouseover="hit()',
  '{@html "<img src=x onerror=hit()>"} ${hit()} {{hit()}}',
  '```html"><img src=x onerror=hit()>\n</code></pre><script>hit()</script>\n```',
  '> <details open ontoggle=hit()>',
  '| <img src=x onerror=hit()> | b |\n|-|-|\n| <svg/onload=hit()> | d |',
  '- <body onload=hit()>',
  '<math><mtext></form><form><mglyph><style></math><img src onerror=hit()>',
  '<style>*{background:url(javascript:hit())}</style><link rel=stylesheet href=//evil.example/x.css>',
  '<meta http-equiv=refresh content="0;url=//evil.example">',
  '<base href=//evil.example/><form action=//evil.example><button>x</button></form>',
];
const SHORT = '<img src=x onerror=hit()>';

/** A second way to the server: without the client's own care for what it sends. */
class Caller {
  constructor(private readonly page: Page) {}

  static async open(page: Page, address: string, password: string): Promise<Caller> {
    await page.evaluate(
      async ([address, password]) => {
        const ws = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/socket`, 'waxwing.v1');
        const waiting = new Map<number, (frame: { result?: unknown; error?: { message: string } }) => void>();
        let id = 0;
        ws.onmessage = ({ data }) => {
          const frame = JSON.parse(data);
          waiting.get(frame.id)?.(frame);
        };
        await new Promise((resolve, reject) => {
          ws.onopen = resolve;
          ws.onerror = reject;
        });
        const call = (method: string, params: unknown): Promise<unknown> =>
          new Promise((resolve, reject) => {
            id += 1;
            waiting.set(id, ({ result, error }) => (error ? reject(new Error(`${method}: ${error.message}`)) : resolve(result)));
            ws.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
          });
        Object.assign(window, { call });
        await call('session.sign_in', { protocol: 1, credentials: { type: 'password', address, password }, client: { name: 'Hostile', device: 'hostile' } });
        await call('sync.open', {});
      },
      [address, password] as const,
    );
    return new Caller(page);
  }

  call<M extends Method>(method: M, params: Params<M>): Promise<Result<M>> {
    return this.page.evaluate(([m, p]) => (window as unknown as { call: (method: string, params: unknown) => Promise<unknown> }).call(m, p), [method, params] as const) as Promise<Result<M>>;
  }
}

const hash = (address: string, query = ''): string => `#/c/${encodeURIComponent(address)}${query}`;

export default async function hostile([url = '', victim = '', victimPassword = '', attacker = '', attackerPassword = '']: string[]): Promise<void> {
  if (attackerPassword === '') throw new Error('hostile URL ADDRESS PASSWORD ADDRESS PASSWORD');
  const browser = await openBrowser();
  const mark = Date.now().toString(36);
  const hits: string[] = [];

  const bad = await openPage(browser, 'attacker');
  await bad.page.goto(`${url.replace(/\/$/, '')}/favicon.svg`);
  const caller = await Caller.open(bad.page, attacker, attackerPassword);
  const refused: string[] = [];
  /** What the server refuses is no danger; it is only counted. */
  const dare = async <M extends Method>(method: M, params: Params<M>): Promise<Result<M> | undefined> => {
    try {
      return await caller.call(method, params);
    } catch (error) {
      refused.push(`${method}: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : ''}`);
      return undefined;
    }
  };

  const before = (await dare('profile.get', {}))?.account.name;
  await dare('profile.change', { name: `${SHORT} ${mark}`, title: SHORT, department: SHORT, phone: SHORT, mail: '"><svg/onload=hit()>@a.example' });
  await dare('presence.set', { show: 'online', text: SHORT, emoji: '<b>' });
  for (const [i, text] of TEXTS.entries()) await dare('message.send', { conversation: victim, client_id: `${mark}-${i}`, text: `${text}\n${mark}` });
  const first = await dare('message.send', { conversation: victim, client_id: `${mark}-first`, text: `first ${mark}` });
  if (!first) throw new Error(`The attacker cannot write: ${refused.join(', ')}`);
  const { id } = first.message;
  await dare('message.send', { conversation: victim, client_id: `${mark}-reply`, text: TEXTS[1] ?? '', reply_to: id });
  await dare('message.send', { conversation: victim, client_id: `${mark}-thread`, text: TEXTS[2] ?? '', thread: id });
  await dare('message.react', { conversation: victim, id, emojis: ['<img src=x onerror=hit()>'] });
  await dare('message.react', { conversation: victim, id, emojis: ['👍'] });
  await dare('message.edit', { conversation: victim, id, text: `${SHORT} ${mark}` });
  await dare('message.pin', { conversation: victim, id, pinned: true });
  await dare('message.send', { conversation: victim, client_id: `${mark}-mention`, text: '<img src=x onerror=hit()> you', mentions: [{ kind: 'person', address: victim, begin: 0, end: 25 }] });
  await dare('message.send', { conversation: victim, client_id: `${mark}-poll`, text: SHORT, poll: { question: SHORT, options: [SHORT, '"><svg/onload=hit()>'], multiple: false } });
  for (const [name, type, address] of [
    ['"><img src=x onerror=hit()>.png', 'image/png', 'javascript:hit()'],
    ['a.svg', 'image/svg+xml', 'data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" onload="hit()"/>'],
    ['a.html', 'text/html', 'data:text/html,<script>hit()</script>'],
    ['a"onload="hit().webm', 'audio/webm', '/files/none" onerror="hit()'],
    ['"><img src=x onerror=hit()>.png', 'image/png', '/files/none.png'],
    ['<script>hit()</script>.html', 'text/html', '/files/none.html'],
    ['"onerror="hit().svg', 'image/svg+xml', '/files/none.svg'],
  ] as const) {
    await dare('message.send', { conversation: victim, client_id: `${mark}-${name}-${type}-${address.length}`, text: name, attachments: [{ url: address, name, type, bytes: 1 }] });
  }
  const room = (await dare('room.create', { name: `${SHORT} ${mark}`, public: true, members_only: false }))?.room.address;
  if (room) {
    await dare('room.change', { room, topic: SHORT, description: SHORT });
    await dare('room.invite', { room, addresses: [victim], reason: SHORT });
    await dare('message.send', { conversation: room, client_id: `${mark}-room`, text: `${SHORT} ${mark}` });
  }

  const good = await openPage(browser, 'victim');
  const { page } = good;
  await page.exposeFunction('hit', () => void hits.push(page.url()));
  page.on('request', (request) => {
    if (/evil\.example/.test(request.url())) hits.push(`asked for ${request.url()}`);
  });
  page.on('dialog', (dialog) => void dialog.dismiss());
  await signIn(page, url, victim, victimPassword);
  const go = async (to: string): Promise<void> => {
    await page.evaluate((h) => (location.hash = h), to);
    await still(page);
  };
  await go(hash(attacker));
  await page.locator('main article[data-message]', { hasText: mark }).first().waitFor();
  // Hovering and focusing trigger what waits for that; links that could be followed are looked at.
  for (const row of (await page.locator('main article[data-message]').all()).slice(-40)) await row.hover({ timeout: 2000 }).catch(() => undefined);
  const links = await page.locator('main a').evaluateAll((all) => all.map((a) => (a as HTMLAnchorElement).protocol));
  const foreign = links.filter((protocol) => !['http:', 'https:', 'mailto:', 'xmpp:', 'tel:', 'blob:'].includes(protocol));
  const loaded = await page.locator('main img, main audio, main video, main source').evaluateAll((all) => all.map((e) => e.getAttribute('src') ?? '').filter((src) => /^\s*(?:javascript|data):/i.test(src)));
  const elements = await page.evaluate(() => document.querySelectorAll('body script:not([src]), iframe, object, embed, base, body meta, body link[rel=stylesheet], main form[action]').length);
  for (const query of [`?thread=${id}`, '?panel=details', '?panel=files', '?panel=pinned', `?search=${mark}`]) await go(hash(attacker, query));
  if (room) for (const query of ['', '?panel=details', '?panel=members']) await go(hash(room, query));
  for (const view of ['threads', 'mentions', 'saved', 'people', '']) await go(`#/${view}`);
  await page.keyboard.press('Control+k');
  await page.keyboard.type(mark.slice(0, 4));
  await still(page);
  await page.keyboard.press('Escape');
  for (const text of ['#/c/%22%3E%3Csvg%20onload%3Dhit()%3E', '#/invite/%3Cimg%20src%3Dx%20onerror%3Dhit()%3E', '#/c/javascript%3Ahit()?search=%3Cimg%20src%3Dx%20onerror%3Dhit()%3E']) await go(text);
  await still(page);
  if (before !== undefined) await dare('profile.change', { name: before, title: null, department: null, phone: null, mail: null } as Params<'profile.change'>);
  await browser.close();

  console.log(`sent ${TEXTS.length} texts and more; the server refused ${refused.length}:`);
  for (const line of refused) console.log(`  ${line.slice(0, 140)}`);
  const wrong = [...hits.map((hit) => `ran: ${hit}`), ...foreign.map((protocol) => `a link to ${protocol}`), ...loaded.map((src) => `loaded ${src}`), ...(elements > 0 ? [`${elements} elements that were not meant`] : [])];
  // What the policy stops was tried nonetheless. Files may lie on another port, if this page is not the server's own.
  wrong.push(...good.complaints.filter((line) => /Content.Security.Policy/i.test(line) && /script|frame|style|object|evil/i.test(line)));
  if (wrong.length > 0) throw new Error(`\n${[...new Set(wrong)].join('\n')}`);
  console.log('nothing ran');
}
