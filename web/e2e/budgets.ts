// Measures what people feel, against a server in memory: the cold start, changing conversations, memory and scrolling. Used by
// scripts/budgets.mjs; alone: `budgets URL`.
import type { Browser, Page } from 'playwright-core';
import { FakeServer } from '$lib/testing/fake-server';
import { openBrowser, openPage } from './browser';
import { connect } from './screens';

const ME = 'anna@localhost';
const LONG = 'long@rooms.localhost';
const COUNT = 10_000;
const ROOMS = 20;
const room = (n: number): string => `room-${n}@rooms.localhost`;

export interface Measured {
  what: string;
  value: number;
  unit: 'ms' | 'MB';
  /** More is too much. */
  budget: number;
}

function busyServer(): FakeServer {
  const server = new FakeServer();
  server.now = (Date.now() - COUNT * 61_000) * 1000;
  server.addPerson(ME, 'Anna');
  server.addPerson('bo@localhost', 'Bo Chen');
  server.addRoom(LONG, 'Long', ['bo@localhost', ME]);
  const texts = ['Short.', 'A *longer* one with a https://example.org/link in it, and some more words so that it takes two lines on a usual screen of a usual person.', '```rust\nfn main() {}\n```', '> quoted\nand answered', '👍'];
  for (let i = 0; i < COUNT; i += 1) server.post(i % 3 === 0 ? ME : 'bo@localhost', LONG, `${i} ${texts[i % texts.length]}`, {}, 60_000);
  for (let n = 0; n < ROOMS; n += 1) {
    server.addRoom(room(n), `Room ${n}`, ['bo@localhost', ME]);
    for (let i = 0; i < 40; i += 1) server.post('bo@localhost', room(n), `${n}/${i} ${texts[i % texts.length]}`, {}, 1000);
    server.of(ME).seen.set(room(n), server.now);
  }
  server.of(ME).seen.set(LONG, server.now);
  return server;
}

const middle = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
const worst = (values: number[], share: number): number => values.sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0;

/** From nothing in any cache to a conversation that can be read and written in. */
async function coldStart(browser: Browser, server: FakeServer, url: string, state: Awaited<ReturnType<ReturnType<Page['context']>['storageState']>>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 5; i += 1) {
    const { page } = await openPage(browser, 'cold', { storageState: state });
    await connect(page, server);
    await page.goto(`${url}#/c/${encodeURIComponent(room(1))}`, { waitUntil: 'commit' });
    times.push(
      await page.evaluate(
        () =>
          new Promise<number>((resolve) => {
            const look = (): void => {
              if (document.querySelector('main [data-message]') && document.querySelector('main textarea')) resolve(performance.now());
              else requestAnimationFrame(look);
            };
            look();
          }),
      ),
    );
    await page.context().close();
  }
  return middle(times);
}

/** From the change of the address to the messages of the other conversation on the screen. */
async function change(page: Page, n: number): Promise<number> {
  return page.evaluate(
    ([address, mark]) =>
      new Promise<number>((resolve) => {
        const start = performance.now();
        location.hash = `#/c/${encodeURIComponent(address)}`;
        const look = (): void => {
          const last = [...document.querySelectorAll<HTMLElement>('main [data-message]')].at(-1);
          if (last?.textContent?.includes(mark)) requestAnimationFrame(() => resolve(performance.now() - start));
          else requestAnimationFrame(look);
        };
        look();
      }),
    [room(n), `${n}/39`] as const,
  );
}

/** Scrolls to the first message, and times the frames. */
async function scroll(page: Page): Promise<number[]> {
  await page.evaluate((hash) => (location.hash = hash), `#/c/${encodeURIComponent(LONG)}`);
  await page.locator('main article', { hasText: String(COUNT - 1) }).first().waitFor();
  return page.evaluate(async () => {
    const scroller = document.querySelector<HTMLElement>('[data-region="timeline"]');
    if (!scroller) throw new Error('There is no timeline.');
    const frames: number[] = [];
    const start = performance.now();
    let before = start;
    let resting = 0;
    while (performance.now() - start < 120_000 && resting < 240) {
      const now = await new Promise<number>((resolve) => requestAnimationFrame(resolve));
      frames.push(now - before);
      before = now;
      resting = scroller.scrollTop === 0 ? resting + 1 : 0;
      scroller.scrollTop -= 300;
    }
    return frames;
  });
}

async function heap(page: Page): Promise<number> {
  const client = await page.context().newCDPSession(page);
  await client.send('HeapProfiler.collectGarbage');
  const { usedSize } = (await client.send('Runtime.getHeapUsage')) as { usedSize: number };
  return usedSize / 1_000_000;
}

export async function measure(url: string): Promise<Measured[]> {
  const browser = await openBrowser();
  const server = busyServer();
  const { page } = await openPage(browser, 'budgets');
  await connect(page, server);
  await page.goto(url);
  await page.getByLabel('Address').fill(ME);
  await page.getByLabel('Password', { exact: true }).fill('secret');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.locator('[data-region="sidebar"]').waitFor();
  const state = await page.context().storageState();
  const cold = await coldStart(browser, server, url, state);
  const changes: number[] = [];
  for (let round = 0; round < 2; round += 1) for (let n = 0; n < ROOMS; n += 1) changes.push(await change(page, n));
  const frames = await scroll(page);
  const first = await page.locator('main article[data-message]').first().innerText();
  const used = await heap(page);
  await browser.close();
  if (!/(^|\s)0 Short/.test(first)) console.error(`The scrolling ended at “${first.slice(0, 60).replaceAll('\n', ' ')}”.`);
  return [
    { what: 'cold start until a conversation can be read and written in', value: cold, unit: 'ms', budget: 1500 },
    { what: 'another conversation, usually', value: middle(changes), unit: 'ms', budget: 100 },
    { what: 'another conversation, 19 of 20 times', value: worst(changes, 0.95), unit: 'ms', budget: 200 },
    { what: 'a frame while scrolling through 10,000 messages, usually', value: middle(frames), unit: 'ms', budget: 17.5 },
    { what: 'a frame while scrolling, 19 of 20 times', value: worst(frames, 0.95), unit: 'ms', budget: 34 },
    { what: 'memory after 10,000 messages were seen', value: used, unit: 'MB', budget: 150 },
  ];
}

export default async function budgets([url = '']: string[]): Promise<void> {
  for (const { what, value, unit, budget } of await measure(url)) console.log(`${value.toFixed(1)} ${unit} of ${budget}: ${what}`);
}
