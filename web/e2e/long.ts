// Scrolls through ten thousand messages of a server in memory, and measures: `long URL [FOLDER]`.
import { FakeServer } from '$lib/testing/fake-server';
import { closeBrowser, openBrowser, openPage } from './browser';
import { connect } from './lively';

const ME = 'anna@localhost';
const ROOM = 'long@rooms.localhost';
const COUNT = 10_000;

export default async function long([url = '', folder]: string[]): Promise<void> {
  const server = new FakeServer();
  server.now = (Date.now() - COUNT * 61_000) * 1000;
  server.addPerson(ME, 'Anna');
  server.addPerson('bo@localhost', 'Bo Chen');
  server.addRoom(ROOM, 'Long', ['bo@localhost', ME]);
  const texts = ['Short.', 'A *longer* one with a https://example.org/link in it, and some more words so that it takes two lines on a usual screen of a usual person.', '```\ncode\nin\nlines\n```', '> quoted\nand answered', '👍'];
  for (let i = 0; i < COUNT; i++) {
    server.post(i % 3 === 0 ? ME : 'bo@localhost', ROOM, `${i} ${texts[i % texts.length]}`, {}, 60_000);
  }
  server.of(ME).seen.set(ROOM, server.now);
  const browser = await openBrowser();
  const { page, complaints } = await openPage(browser, 'long');
  await connect(page, server);
  await page.goto(url);
  await page.getByLabel('Address').fill(ME);
  await page.getByLabel('Password', { exact: true }).fill('secret');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('link', { name: /^Long/ }).click();
  await page.locator('article', { hasText: String(COUNT - 1) }).waitFor();

  // A jump of a row within the view, while nobody scrolls, is what people call flicker.
  const result = await page.evaluate(async () => {
    const scroller = document.querySelector<HTMLElement>('[data-region="timeline"]');
    if (!scroller) throw new Error('There is no timeline.');
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    const longest: number[] = [];
    let jumps = 0;
    let most = 0;
    let first = '';
    const start = performance.now();
    while (performance.now() - start < 40_000) {
      const middle = scroller.getBoundingClientRect().top + scroller.clientHeight / 2;
      const row = [...scroller.querySelectorAll<HTMLElement>('[data-message]')].find((r) => r.getBoundingClientRect().bottom > middle);
      const before = row?.getBoundingClientRect().top ?? 0;
      const step = Math.min(400, scroller.scrollTop);
      scroller.scrollTop -= step;
      const at = performance.now();
      await frame();
      await frame();
      longest.push(performance.now() - at);
      const moved = row?.isConnected ? row.getBoundingClientRect().top - before - step : 0;
      if (Math.abs(moved) > 2) jumps++;
      most = Math.max(most, scroller.querySelectorAll('[data-message]').length);
      first = scroller.querySelector<HTMLElement>('[data-message]')?.innerText ?? '';
      if (step === 0 && / 0 Short/.test(first.replaceAll('\n', ' '))) break;
    }
    longest.sort((x, y) => x - y);
    const share = (p: number) => Math.round(longest[Math.floor(longest.length * p)] ?? 0);
    return { steps: longest.length, seconds: Math.round((performance.now() - start) / 1000), median: share(0.5), p95: share(0.95), p99: share(0.99), max: share(0.9999), jumps, most, first: first.slice(0, 60) };
  });
  console.log(result);
  if (folder) await page.screenshot({ path: `${folder}/long.png` });
  const memory = await page.evaluate(() => (performance as unknown as { memory: { usedJSHeapSize: number } }).memory.usedJSHeapSize);
  console.log(`heap: ${Math.round(memory / 1e6)} MB`);
  await page.getByRole('button', { name: /newest message/ }).click();
  await page.locator('article', { hasText: String(COUNT - 1) }).waitFor();
  for (const complaint of complaints) console.log(complaint);
  await closeBrowser(browser);
  if (result.jumps > result.steps / 100) throw new Error(`Rows jumped ${result.jumps} times.`);
  if (result.most > 400) throw new Error(`There were ${result.most} messages on the page at once.`);
}
