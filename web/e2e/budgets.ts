// Measures what people feel, against a server in memory: the cold start, changing conversations, memory and scrolling. Used by
// scripts/budgets.mjs; alone: `budgets URL`.
import type { Browser, CDPSession, Page } from 'playwright-core';
import { FakeServer } from '$lib/testing/fake-server';
import { openBrowser, openPage } from './browser';
import { connect } from './lively';

const ME = 'anna@localhost';
const LONG = 'long@rooms.localhost';
const COUNT = 10_000;
const ROOMS = 20;
const room = (n: number): string => `room-${n}@rooms.localhost`;

export interface Measured {
  what: string;
  value: number;
  unit: 'ms' | 'MB' | 'frames';
  /** More is too much. */
  budget: number;
  /** More is too much on a machine on which nothing else runs. */
  strict?: number;
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

const dropped = (frames: number[]): number => frames.reduce((sum, frame) => sum + Math.max(0, Math.round(frame / FRAME_MS) - 1), 0);

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

/** Pixels in a frame: four and a half screens a second, as fast as one can still see what passes. */
const PACE = 60;
const FRAMES = 900;
/** Pixels in a frame of somebody who only wants to get to the beginning. */
const RUSH = 300;
const FRAME_MS = 1000 / 60;

/** Scrolls upwards for so many frames or to the first message, and times the frames. */
async function scroll(page: Page, pace: number, most: number): Promise<number[]> {
  return page.evaluate(
    async ([pace, most]) => {
      const scroller = document.querySelector<HTMLElement>('[data-region="timeline"]');
      if (!scroller) throw new Error('There is no timeline.');
      const frames: number[] = [];
      const start = performance.now();
      let before = start;
      let resting = 0;
      while (frames.length < most && performance.now() - start < 120_000 && resting < 240) {
        const now = await new Promise<number>((resolve) => requestAnimationFrame(resolve));
        frames.push(now - before);
        before = now;
        resting = scroller.scrollTop === 0 ? resting + 1 : 0;
        scroller.scrollTop -= pace;
      }
      // The first is the wait for the frame in which it began.
      return frames.slice(1);
    },
    [pace, most] as const,
  );
}

/** Processor time that the thread of the page has used, in milliseconds: it counts the same however busy the machine is. */
async function threadTime(client: CDPSession): Promise<number> {
  const { metrics } = await client.send('Performance.getMetrics');
  return (metrics.find((metric) => metric.name === 'ThreadTime')?.value ?? 0) * 1000;
}

/** Frames while scrolling at a pace at which one looks, and what each costs the page. */
async function glide(page: Page): Promise<{ frames: number[]; cost: number }> {
  await page.evaluate((hash) => (location.hash = hash), `#/c/${encodeURIComponent(LONG)}`);
  await page.locator('main article', { hasText: String(COUNT - 1) }).first().waitFor();
  const client = await page.context().newCDPSession(page);
  await client.send('Performance.enable', { timeDomain: 'threadTicks' });
  // The pointer rests over the messages, as it does for whoever turns a wheel.
  await page.mouse.move(800, 400);
  await scroll(page, PACE, 60);
  const before = await threadTime(client);
  const frames = await scroll(page, PACE, FRAMES);
  const cost = ((await threadTime(client)) - before) / frames.length;
  await client.send('Performance.disable');
  return { frames, cost };
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
  const { frames, cost } = await glide(page);
  await scroll(page, RUSH, Infinity);
  const first = await page.locator('main article[data-message]').first().innerText();
  const used = await heap(page);
  await browser.close();
  if (!/(^|\s)0 Short/.test(first)) console.error(`The scrolling ended at “${first.slice(0, 60).replaceAll('\n', ' ')}”.`);
  return [
    { what: 'cold start until a conversation can be read and written in', value: cold, unit: 'ms', budget: 1500 },
    { what: 'another conversation, usually', value: middle(changes), unit: 'ms', budget: 100 },
    { what: 'another conversation, 19 of 20 times', value: worst(changes, 0.95), unit: 'ms', budget: 200 },
    { what: 'processor time of the page for a frame while scrolling', value: cost, unit: 'ms', budget: 12, strict: 8 },
    { what: 'a frame while scrolling through 10,000 messages, usually', value: middle(frames), unit: 'ms', budget: 17.5 },
    { what: 'a frame while scrolling, 19 of 20 times', value: worst(frames, 0.95), unit: 'ms', budget: 34, strict: 17.5 },
    { what: `frames that were dropped, of ${frames.length}`, value: dropped(frames), unit: 'frames', budget: Infinity, strict: 0 },
    { what: 'memory after 10,000 messages were seen', value: used, unit: 'MB', budget: 150 },
  ];
}

export default async function budgets([url = '']: string[]): Promise<void> {
  for (const { what, value, unit, budget } of await measure(url)) console.log(`${value.toFixed(1)} ${unit} of ${budget}: ${what}`);
}
