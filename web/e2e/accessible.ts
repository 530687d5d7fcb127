// Looks at every page and state for what keeps people out, against a server in memory: axe-core's rules, narrow and enlarged pages,
// and motion where none is wanted. `accessible URL [LOOK]`.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { openBrowser, openPage, still } from './browser';
import { connect, livelyServer } from './screens';

const ME = 'anna@localhost';
const GENERAL = 'general@rooms.localhost';
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

interface Violation {
  id: string;
  nodes: { html: string; failureSummary?: string }[];
}

interface Look {
  name: string;
  options: BrowserContextOptions;
  theme: 'light' | 'dark' | 'contrast';
  language?: string;
}

const LOOKS: Look[] = [
  { name: 'wide light', theme: 'light', options: {} },
  { name: 'wide dark', theme: 'dark', options: { colorScheme: 'dark' } },
  { name: 'wide contrast, Chinese', theme: 'contrast', language: 'zh-CN', options: {} },
  { name: 'phone, mirrored', theme: 'light', language: 'ar-XB', options: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true } },
  // 1280 by 800 at 200 %, and the 320 pixels of WCAG 1.4.10 (a page at 400 %).
  { name: 'enlarged twice', theme: 'light', options: { viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 } },
  { name: 'enlarged four times', theme: 'dark', options: { viewport: { width: 320, height: 256 }, deviceScaleFactor: 4, colorScheme: 'dark' } },
];

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

async function inspect(page: Page, what: string, found: string[]): Promise<void> {
  // Nothing is judged in the middle of a movement.
  await still(page);
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe);
  const violations = await page.evaluate(
    (rules) => (window as unknown as { axe: { run: (context: unknown, options: unknown) => Promise<{ violations: Violation[] }> } }).axe.run(document, { runOnly: rules }).then((r) => r.violations),
    RULES,
  );
  const isNarrow = await page.evaluate(() => innerWidth <= 640);
  for (const { id, nodes } of violations) {
    // One pane is shown at a time there: the list of conversations alone is no main part, and the panel's heading is of the second level.
    if (isNarrow && ['landmark-one-main', 'page-has-heading-one'].includes(id)) continue;
    // What is scrolled half out of view is not too small, and what parts two landmarks belongs to neither.
    const meant = nodes.filter((node) => !/partially obscured/.test(node.failureSummary ?? '') && !(id === 'region' && node.html.includes('role="separator"')));
    for (const { html, failureSummary } of meant) found.push(`${id}: ${html.replace(/ svelte-\w+/g, '').slice(0, 160)} ${failureSummary?.split('\n')[1]?.trim() ?? ''} (first in ${what})`);
  }
  const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (tooWide > 1) found.push(`${what}: the page is ${tooWide} px too wide`);
}

async function walk(browser: Browser, look: Look, url: string, found: string[]): Promise<number> {
  let states = 0;
  const server = livelyServer();
  const { page, complaints } = await openPage(browser, look.name, look.options);
  const held = server.of(ME);
  held.preferences = { ...held.preferences, theme: look.theme, ...(look.language ? { language: look.language } : {}) };
  await connect(page, server);
  const see = async (what: string): Promise<void> => {
    states += 1;
    await inspect(page, `${look.name}, ${what}`, found);
  };
  const go = (hash: string): Promise<string> => page.evaluate((h) => (location.hash = h), hash);
  const isWide = (look.options.viewport?.width ?? 1280) > 640;

  await page.goto(url);
  await page.getByLabel('Address').waitFor();
  await see('sign-in');
  await page.getByLabel('Address').fill(ME);
  await page.getByLabel('Password', { exact: true }).fill('secret');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.locator('[data-region="sidebar"]').waitFor();
  await see('list');
  await go(`#/c/${encodeURIComponent(GENERAL)}`);
  await page.locator('article[data-message]').first().waitFor();
  await see('room');
  const code = server.place(ME, GENERAL).messages.find((m) => m.text.includes('```'));
  await go(`#/c/${encodeURIComponent(GENERAL)}?thread=${code?.id}`);
  await see('thread');
  for (const panel of ['details', 'members', 'files', 'pinned']) {
    await go(`#/c/${encodeURIComponent(GENERAL)}?panel=${panel}`);
    await see(panel);
  }
  await go(`#/c/${encodeURIComponent(GENERAL)}?search=the`);
  await see('search');
  await go('#/c/bo%40localhost');
  await see('direct');
  for (const view of ['threads', 'mentions', 'saved', 'people']) {
    await go(`#/${view}`);
    await see(view);
  }
  await page.keyboard.press('Control+k');
  await see('switcher');
  await page.keyboard.type('re');
  await see('switcher with results');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+,');
  const pages = await page.locator('dialog nav button').count();
  for (let i = 0; i < pages; i += 1) {
    await page.locator('dialog nav button').nth(i).click();
    await see(`settings ${i + 1}`);
  }
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+/');
  await see('keys');
  await page.keyboard.press('Escape');
  if (isWide) {
    await go(`#/c/${encodeURIComponent(GENERAL)}`);
    await page.locator('article', { hasText: 'New illustrations' }).hover();
    await see('message under the pointer');
    await page.locator('article', { hasText: 'New illustrations' }).getByRole('toolbar').getByRole('button').last().click();
    await see('menu of a message');
    await page.keyboard.press('Escape');
    await page.locator('article', { hasText: 'New illustrations' }).locator('button img, a img').first().click();
    await see('picture');
    await page.keyboard.press('Escape');
    const field = page.locator('main [data-region="composer"] textarea');
    await field.fill('@bo');
    await see('mention');
    await field.fill(':tad');
    await see('emoji completion');
    await field.fill('');
    server.isDown = true;
    server.cut();
    await page.locator('[role="status"] .bar').waitFor();
    await see('without a connection');
  }
  for (const complaint of complaints) found.push(complaint);
  await page.context().close();
  return states;
}

/** Where less motion is wanted nothing moves for longer than a blink, but what breathes to show that it waits. */
async function motionless(browser: Browser, url: string, found: string[]): Promise<void> {
  const server = livelyServer();
  const { page } = await openPage(browser, 'motion', { reducedMotion: 'reduce' });
  await connect(page, server);
  await page.goto(url);
  await page.getByLabel('Address').fill(ME);
  await page.getByLabel('Password', { exact: true }).fill('secret');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.locator('[data-region="sidebar"]').waitFor();
  const moving = async (what: string, act: () => Promise<unknown>): Promise<void> => {
    await act();
    const left = await page.evaluate(() =>
      document
        .getAnimations()
        .filter((a) => Number(a.effect?.getComputedTiming().duration ?? 0) > 50 && !(a instanceof CSSAnimation && /breathe/.test(a.animationName)))
        .map((a) => (a instanceof CSSAnimation ? a.animationName : a instanceof CSSTransition ? a.transitionProperty : a.id)),
    );
    if (left.length > 0) found.push(`less motion, ${what}: ${left.join(', ')}`);
  };
  await moving('room', () => page.evaluate((h) => (location.hash = h), `#/c/${encodeURIComponent(GENERAL)}`));
  await moving('panel', () => page.evaluate((h) => (location.hash = h), `#/c/${encodeURIComponent(GENERAL)}?panel=members`));
  await moving('switcher', () => page.keyboard.press('Control+k'));
  await page.keyboard.press('Escape');
  await moving('settings', () => page.keyboard.press('Control+,'));
  await page.context().close();
}

export default async function accessible([url = '', only]: string[]): Promise<void> {
  const browser = await openBrowser();
  const found: string[] = [];
  for (const look of LOOKS.filter(({ name }) => only === undefined || name.includes(only))) {
    const before = found.length;
    const states = await walk(browser, look, url, found);
    console.log(`${look.name}: ${states} states, ${found.length - before} findings`);
  }
  await motionless(browser, url, found);
  await browser.close();
  // Each thing once, where it was seen first.
  const distinct = new Map(found.map((line): [string, string] => [line.replace(/ \(first in .*/, ''), line]).reverse());
  if (distinct.size > 0) throw new Error(`\n${[...distinct.values()].reverse().join('\n')}`);
  console.log('nothing keeps anybody out');
}
