// Two tabs of one browser share a connection; what was read is there without one; signing out leaves nothing behind.
// `tabs BINARY`.
import type { Browser, Locator, Page } from 'playwright-core';
import { openBrowser, openPage, signIn } from './browser';
import { Server, type Account } from './server';
import { check, until } from './wait';
import { cuttable } from './way';

const composer = (page: Page): Locator => page.locator('main [data-region="composer"] textarea');
const message = (page: Page, text: string): Locator => page.locator('main article[data-message]', { hasText: text }).last();

async function step(what: string, work: () => Promise<void>): Promise<void> {
  const start = Date.now();
  await work();
  console.log(`${what}: ${Date.now() - start} ms`);
}

async function write(page: Page, text: string): Promise<void> {
  await composer(page).fill(text);
  await composer(page).press('Enter');
  await message(page, text).waitFor();
}

/** What the browser has stored for the page: names of databases, keys and values. */
async function stored(page: Page): Promise<string[]> {
  return page.evaluate(async () => {
    const found: string[] = [];
    for (const { name } of await indexedDB.databases()) {
      if (!name) continue;
      const database = await new Promise<IDBDatabase>((resolve, reject) => {
        const request = indexedDB.open(name);
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
      for (const table of database.objectStoreNames) {
        const store = database.transaction(table).objectStore(table);
        const got = <T>(request: IDBRequest<T>): Promise<T> =>
          new Promise((resolve, reject) => {
            request.onsuccess = () => resolve(request.result);
            request.onerror = () => reject(request.error);
          });
        const [keys, values] = await Promise.all([got(store.getAllKeys()), got<unknown[]>(store.getAll())]);
        found.push(...keys.map((key, at) => `${name}/${String(key)}: ${JSON.stringify(values[at])}`));
      }
      database.close();
    }
    return found;
  });
}

export default async function tabs([binary = '']: string[]): Promise<void> {
  if (binary === '') throw new Error('tabs BINARY');
  const started = await Server.start(binary);
  try {
    await share(started);
  } finally {
    await started.stop();
  }
}

/** Browsers that know no worker of all tabs: one tab has the connection, and another takes it over. */
async function lead(browser: Browser, url: string, account: Account): Promise<void> {
  const { page: one, complaints } = await openPage(browser, 'leader');
  const context = one.context();
  await context.addInitScript(() => void Reflect.deleteProperty(window, 'SharedWorker'));
  let sockets = 0;
  const count = (page: Page): void => void page.on('websocket', () => (sockets += 1));
  count(one);
  await signIn(one, url, account.address, account.password);
  const place = `${url.replace(/\/$/, '')}/#/c/${encodeURIComponent(account.address)}`;
  const two = await context.newPage();
  count(two);
  await two.goto(place);
  await composer(two).waitFor();
  check(sockets === 1, `two tabs opened ${sockets} connections`);
  await one.goto(place);
  const mark = Date.now().toString(36);
  await write(two, `Led ${mark}`);
  await message(one, `Led ${mark}`).waitFor();
  await one.close();
  await write(two, `Leading ${mark}`);
  await context.close();
  if (complaints.length > 0) throw new Error(complaints.join('\n'));
}

async function share(started: Server): Promise<void> {
  const { url: server } = started;
  const { address: first, password: firstPassword } = await started.user('romeo', 'Romeo Montague');
  const { address: second, password: secondPassword } = await started.user('juliet', 'Juliet Capulet');
  const way = await cuttable(server);
  const { url } = way;
  const browser = await openBrowser();
  const { page: one, complaints } = await openPage(browser, 'one');
  const other = await openPage(browser, 'other');
  const mark = Date.now().toString(36);
  const place = (address: string): string => `${url.replace(/\/$/, '')}/#/c/${encodeURIComponent(address)}`;
  let sockets = 0;
  one.on('websocket', () => (sockets += 1));
  let two: Page = one;

  await step('a second tab is signed in at once, by the same connection', async () => {
    await signIn(one, url, first, firstPassword);
    two = await one.context().newPage();
    two.on('websocket', () => (sockets += 1));
    two.on('pageerror', (error) => complaints.push(`two: ${error.message}`));
    await two.goto(place(second));
    await composer(two).waitFor();
    await one.goto(place(second));
    await composer(one).waitFor();
    check(sockets === 0, `the tabs opened ${sockets} connections of their own`);
  });
  await step('both hear what others say', async () => {
    await signIn(other.page, server, second, secondPassword);
    await other.page.goto(`${server.replace(/\/$/, '')}/#/c/${encodeURIComponent(first)}`);
    await write(other.page, `Hello tabs ${mark}`);
    await Promise.all([message(one, `Hello tabs ${mark}`).waitFor(), message(two, `Hello tabs ${mark}`).waitFor()]);
  });
  await step('each shows what the other says', async () => {
    await write(one, `From one ${mark}`);
    await message(two, `From one ${mark}`).waitFor();
    await write(two, `From two ${mark}`);
    await message(one, `From two ${mark}`).waitFor();
    await message(other.page, `From two ${mark}`).waitFor();
  });
  await step('one goes on when the other closes', async () => {
    await one.close();
    await write(two, `Alone ${mark}`);
    await message(other.page, `Alone ${mark}`).waitFor();
    await write(other.page, `Still there ${mark}`);
    await message(two, `Still there ${mark}`).waitFor();
  });
  await step('the page starts without a network, and shows what was read', async () => {
    // The worker keeps the page and what it is made of, and the page what was read.
    let missing: string[] = [];
    const isKept = async (): Promise<boolean> => {
      missing = await two.evaluate(async () => {
        const made = performance.getEntriesByType('resource').filter(({ name }) => new URL(name).pathname.startsWith('/assets/'));
        const kept = await Promise.all(['/', ...made.map(({ name }) => name)].map(async (one) => ((await caches.match(one, { ignoreVary: true })) ? [] : [one])));
        return [...(navigator.serviceWorker.controller ? [] : ['no worker']), ...kept.flat()];
      });
      return missing.length === 0;
    };
    await until('the page is kept', isKept).catch((error: unknown) => {
      throw new Error(`It is not kept whole: ${missing.join(', ')}`, { cause: error });
    });
    await until('what was read is kept', async () => (await stored(two)).some((kept) => kept.includes(`Still there ${mark}`)));
    const context = two.context();
    await two.close();
    await way.cut();
    two = await context.newPage();
    await two.goto(place(second));
    await message(two, `Still there ${mark}`).waitFor();
    await two.getByRole('status').filter({ hasText: /connect/i }).first().waitFor();
  });
  await step('what is written meanwhile goes when the network is back', async () => {
    await composer(two).fill(`Written off line ${mark}`);
    await composer(two).press('Enter');
    await way.mend();
    await message(other.page, `Written off line ${mark}`).waitFor({ timeout: 45_000 });
    await message(two, `Written off line ${mark}`).waitFor();
  });
  await step('signing out leaves nothing behind', async () => {
    check((await stored(two)).some((key) => key.includes('cache:')), 'nothing was kept before');
    await two.getByRole('button', { name: /status and account$/ }).first().click();
    await two.getByRole('menuitem', { name: 'Sign out' }).click();
    await two.getByLabel('Password', { exact: true }).waitFor();
    await until('everything is wiped', async () => (await stored(two)).length === 0);
    // With the page goes whatever it was about to write into the browser's memory.
    await two.reload();
    await two.getByLabel('Password', { exact: true }).waitFor();
    const left = await stored(two);
    check(left.length === 0, `left behind: ${left.join(', ')}`);
    const keys = await two.evaluate(() => Object.keys(localStorage));
    check(!keys.includes('waxwing.token') && !keys.includes('waxwing.account'), `left behind: ${keys.join(', ')}`);
  });
  await step('without a worker of all tabs one tab leads', () => lead(browser, server, { address: second, password: secondPassword, name: 'Juliet Capulet' }));
  await browser.close();
  await way.cut();
  // Chromium says of each request that failed without a network that it failed.
  const serious = [...complaints, ...other.complaints].filter((line) => !/ERR_CONNECTION|Failed to load resource|WebSocket connection/.test(line));
  if (serious.length > 0) throw new Error(serious.join('\n'));
  console.log('one truth in all tabs');
}
