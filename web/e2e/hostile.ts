// Puts hostile texts wherever the client is told something, and looks whether any of it runs: `hostile BINARY`. First by way of a server,
// which may refuse some; then, against a server in memory that refuses nothing, in every field of the JSON face that is a text.
import type { Browser, Page } from 'playwright-core';
import type { Method, Params, Result } from '$lib/api';
import { closeBrowser, openBrowser, openPage, signIn, still } from './browser';
import { Caller } from './caller';
import { connect, livelyServer, ME } from './lively';
import { Server } from './server';
import { NEWCOMER, Walk, walkThrough } from './walk';

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
  '<svg><animate onbegin=hit() attributeName=x dur=1s></svg>',
  '<video><source onerror=hit()></video><audio src=x onerror=hit()></audio>',
  '<input autofocus onfocus=hit()><select autofocus onfocus=hit()></select>',
  '\u202e<img src=x onerror=hit()>\u2066',
  '&lt;img src=x onerror=hit()&gt; &#60;img src=x onerror=hit()&#62;',
  '[a](data:text/html,<script>hit()</script>) [b](vbscript:hit()) [c](JaVaScRiPt:hit()) [d](java\tscript:hit())',
  '@<img src=x onerror=hit()> #<img src=x onerror=hit()> :<img src=x onerror=hit()>:',
  'xmpp:a@b?message;body=<img src=x onerror=hit()> mailto:"><img/src=x/onerror=hit()>@a.example',
];
const SHORT = '<img src=x onerror=hit()>';

/** Counts whatever runs on a page, or is fetched from where nothing is to be fetched. */
async function watch(page: Page): Promise<string[]> {
  const hits: string[] = [];
  await page.exposeFunction('hit', () => void hits.push(`ran at ${page.url()}`));
  page.on('request', (request) => {
    if (/evil\.example/.test(request.url())) hits.push(`asked for ${request.url()}`);
  });
  page.on('dialog', (dialog) => void dialog.dismiss());
  return hits;
}

/** What is on a page that nobody meant to be there. */
async function strangersOn(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const links = [...document.querySelectorAll('a')].filter((a) => a.href !== '' && !['http:', 'https:', 'mailto:', 'xmpp:', 'tel:', 'blob:'].includes(a.protocol)).map((a) => `a link to ${a.protocol}`);
    const loaded = [...document.querySelectorAll('img, audio, video, source')].map((e) => (e.getAttribute('src') ?? '').trim()).filter((src) => /^(?:javascript|data|vbscript):/i.test(src)).map((src) => `loaded ${src.slice(0, 80)}`);
    const meant = 'body script:not([src]), iframe, object, embed, base, body meta, body link[rel=stylesheet], form[action], math, [onerror], [onload], [onclick], [onfocus], [ontoggle], [onbegin]';
    return [...links, ...loaded, ...[...document.querySelectorAll(meant)].map((e) => `an element: ${e.outerHTML.slice(0, 80)}`)];
  });
}

/** Violations of the policy: what it stops was tried nonetheless. */
const tried = (complaints: readonly string[]): string[] => complaints.filter((line) => /Content.Security.Policy/i.test(line) && /script|frame|style|object|evil/i.test(line));

/** Fields that are no texts but words of the protocol, or by which things are found; an address that is one has to lead somewhere. */
const FIXED = new Set(['jsonrpc', 'method', 'type', 'kind', 'id', 'client_id', 'conversation', 'address', 'room', 'role', 'show', 'state', 'theme', 'density', 'language', 'notify', 'open_at', 'token', 'session', 'thread', 'face', 'subscription', 'zone', 'from', 'to', 'by', 'people', 'domains', 'condition', 'reset', 'features']);
const ADDRESSES = ['javascript:hit()', 'data:text/html,<script>hit()</script>', '"><svg/onload=hit()>', "x' onerror='hit()", '//evil.example/x.svg', 'vbscript:hit()'];

/** What a server says, with something hostile in front of each text in it. */
function poisoned(value: unknown, key = '', next = { n: 0 }): unknown {
  if (typeof value === 'string') {
    if (FIXED.has(key)) return value;
    next.n += 1;
    if (['url', 'thumbnail', 'avatar'].includes(key)) return ADDRESSES[next.n % ADDRESSES.length];
    return `${TEXTS[next.n % TEXTS.length]} ${value}`;
  }
  if (Array.isArray(value)) return value.map((one) => poisoned(one, key, next));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, poisoned(one, name === 'from' && typeof one === 'object' ? '' : name, next)]));
}

/** Every state of the client, told by a server whose every text is hostile. */
async function everyField(browser: Browser, url: string): Promise<string[]> {
  const server = livelyServer();
  server.addPerson(NEWCOMER, 'Nia Newcomer');
  // What is not there on a usual day is told as well.
  server.of(ME).contacts.set('emma@localhost', { address: 'emma@localhost', name: 'Emma', groups: ['Friends'], subscription: 'from', asking: true });
  server.of(ME).preferences = { ...server.of(ME).preferences, keywords: ['word'], sections: [{ id: 'mine', name: 'Mine' }] };
  const next = { n: 0 };
  const { page, complaints } = await openPage(browser, 'every field');
  const hits = await watch(page);
  await connect(page, server, (frame) => JSON.stringify(poisoned(JSON.parse(frame), '', next)));
  const found: string[] = [];
  const walk = new Walk({ name: 'hostile', theme: 'system', language: 'en', options: {} }, page, server, async (what) => {
    if (what === 'list') server.emit(ME, { type: 'invitation', room: 'design@rooms.localhost', from: 'bo@localhost', reason: 'Come' });
    for (const stranger of await strangersOn(page)) found.push(`${stranger} (${what})`);
  });
  await walkThrough(walk, url);
  await page.context().close();
  console.log(`every field: ${next.n} hostile texts in ${walk.states} states`);
  return [...hits, ...found, ...tried(complaints)];
}

const hash = (address: string, query = ''): string => `#/c/${encodeURIComponent(address)}${query}`;

/** What somebody can send to somebody else by way of a server that means well. */
async function bySending(browser: Browser, server: Server): Promise<string[]> {
  const { url } = server;
  const [attacker, one] = [await server.user('tybalt', 'Tybalt'), await server.user('mercutio', 'Mercutio')];
  const victim = one.address;
  const mark = Date.now().toString(36);
  const bad = await openPage(browser, 'attacker');
  await bad.page.goto(`${url}favicon.svg`);
  const caller = await Caller.open(bad.page, attacker);
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
  const hits = await watch(page);
  await signIn(page, url, victim, one.password);
  const wrong: string[] = [];
  const go = async (to: string): Promise<void> => {
    await page.evaluate((h) => (location.hash = h), to);
    await still(page);
    wrong.push(...(await strangersOn(page)));
  };
  await go(hash(attacker.address));
  await page.locator('main article[data-message]', { hasText: mark }).first().waitFor();
  // Hovering and focusing trigger what waits for that.
  for (const row of (await page.locator('main article[data-message]').all()).slice(-40)) await row.hover({ timeout: 2000 }).catch(() => undefined);
  for (const query of [`?thread=${id}`, '?panel=details', '?panel=files', '?panel=pinned', `?search=${mark}`]) await go(hash(attacker.address, query));
  if (room) for (const query of ['', '?panel=details', '?panel=members']) await go(hash(room, query));
  for (const view of ['threads', 'mentions', 'saved', 'people', '']) await go(`#/${view}`);
  await page.keyboard.press('Control+k');
  await page.keyboard.type(mark.slice(0, 4));
  await still(page);
  wrong.push(...(await strangersOn(page)));
  await page.keyboard.press('Escape');
  for (const text of ['#/c/%22%3E%3Csvg%20onload%3Dhit()%3E', '#/invite/%3Cimg%20src%3Dx%20onerror%3Dhit()%3E', '#/c/javascript%3Ahit()?search=%3Cimg%20src%3Dx%20onerror%3Dhit()%3E']) await go(text);
  console.log(`sent ${TEXTS.length} texts and more; the server refused ${refused.length}:`);
  for (const line of refused) console.log(`  ${line.slice(0, 140)}`);
  for (const { page } of [bad, good]) await page.context().close();
  return [...hits, ...wrong, ...tried(good.complaints)];
}

export default async function hostile([binary = '']: string[]): Promise<void> {
  if (binary === '') throw new Error('hostile BINARY');
  const server = await Server.start(binary);
  const browser = await openBrowser();
  try {
    const wrong = [...(await bySending(browser, server)), ...(await everyField(browser, server.url))];
    if (wrong.length > 0) throw new Error(`\n${[...new Set(wrong)].join('\n')}`);
    console.log('nothing ran');
  } finally {
    await closeBrowser(browser);
    await server.stop();
  }
}
