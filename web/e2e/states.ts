// Walks once through every page and state of the client, against a server in memory, and at each takes a picture and looks for what
// keeps people out: axe-core's rules, pages that are too wide, a lost focus, messages that are not heard as one sentence, and motion
// where none is wanted. `states BINARY|URL [FOLDER] [LOOK…]`: two of the looks; WAXWING_LOOKS=all walks in all of them.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, Page } from 'playwright-core';
import type { FakeServer } from '$lib/testing/fake-server';
import { closeBrowser, openBrowser, openPage } from './browser';
import { connect, GENERAL, livelyServer, ME } from './lively';
import { LOOKS, nameOf, optionsOf, SIZES } from './looks';
import { Server } from './server';
import { NEWCOMER, Walk, walkThrough, type Look, type See } from './walk';

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

const phone = { viewport: SIZES.phone, hasTouch: true, isMobile: true };

const usual = (width: 'wide' | 'phone'): readonly Look[] =>
  LOOKS.filter((look) => look.width === width).map((look) => ({ name: nameOf(look), theme: 'system', language: look.language, options: optionsOf(look) }));

/** Those that the features are played in, wide ones and narrow ones, and others beside them. */
const WIDE: readonly Look[] = [
  ...usual('wide'),
  { name: 'wide-contrast-en', theme: 'contrast', language: 'en', options: {} },
  { name: 'wide-forced-en', theme: 'system', language: 'en', options: { forcedColors: 'active' } },
  // 1280 by 800 at 200 % (WCAG 1.4.4).
  { name: 'twice-light-en', theme: 'system', language: 'en', options: { viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 } },
];
const NARROW: readonly Look[] = [
  ...usual('phone'),
  { name: 'phone-light-ar-XB', theme: 'system', language: 'ar-XB', options: phone },
  { name: 'phone-contrast-zh-CN', theme: 'contrast', language: 'zh-CN', options: phone },
  // The 320 pixels of WCAG 1.4.10, a page at 400 %.
  { name: 'four-dark-en', theme: 'system', language: 'en', options: { viewport: { width: 320, height: 256 }, deviceScaleFactor: 4, colorScheme: 'dark' } },
];

/** Where no other is asked for. */
const CHOSEN = ['wide-light-en', 'phone-dark-zh-CN'];

interface Violation {
  id: string;
  nodes: { html: string; failureSummary?: string }[];
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What is wrong with the page as it stands. */
async function findingsOf(page: Page): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe);
  const violations = await page.evaluate(
    (rules) => (window as unknown as { axe: { run: (context: unknown, options: unknown) => Promise<{ violations: Violation[] }> } }).axe.run(document, { runOnly: rules, resultTypes: ['violations'] }).then((r) => r.violations),
    RULES,
  );
  const found: string[] = [];
  const [isNarrow, isForced] = await page.evaluate(() => [innerWidth <= 640, matchMedia('(forced-colors: active)').matches] as const);
  for (const { id, nodes } of violations) {
    // One pane is shown at a time there: the list of conversations alone is no main part, and the panel's heading is of the second level.
    // The system answers for its colours, and axe takes the page's for those of the text.
    if (id === 'color-contrast' && isForced) continue;
    if (isNarrow && ['landmark-one-main', 'page-has-heading-one'].includes(id)) continue;
    // What is scrolled half out of view is not too small, and what parts two landmarks belongs to neither.
    const meant = nodes.filter((node) => !/partially obscured/.test(node.failureSummary ?? '') && !(id === 'region' && node.html.includes('role="separator"')));
    for (const { html, failureSummary } of meant) found.push(`${id}: ${html.replace(/ svelte-\w+/g, '').slice(0, 160)} ${failureSummary?.split('\n')[1]?.trim() ?? ''}`);
  }
  const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (tooWide > 1) found.push(`the page is ${tooWide} px too wide`);
  return found;
}

/** Whether the focus is on nothing, or on something that nobody sees. */
async function isLost(page: Page): Promise<string | undefined> {
  return page.evaluate(() => {
    const element = document.activeElement;
    if (!element || element === document.body || element === document.documentElement) return 'the focus is on nothing';
    return element.checkVisibility() ? undefined : `the focus is on something hidden: ${element.outerHTML.slice(0, 120)}`;
  });
}

/** Messages that a screen reader does not read as one sentence that begins with who said it. */
async function unheard(page: Page, server: FakeServer): Promise<string[]> {
  const client = await page.context().newCDPSession(page);
  const { nodes } = (await client.send('Accessibility.getFullAXTree')) as { nodes: { role?: { value: string }; name?: { value: string }; ignored: boolean }[] };
  await client.detach();
  // What keeps directions apart is not heard.
  const heard = nodes.filter((node) => !node.ignored && node.role?.value === 'article').map((node) => (node.name?.value ?? '').replace(/[\u202a-\u202e\u2066-\u2069]/g, ''));
  const shown = await page.locator('article[data-message]').count();
  const names = server.place(ME, GENERAL).messages.map((m) => m.from.name);
  const wrong = heard.filter((name) => !/^.+[,，].+[:：].+/s.test(name) || !(names.some((who) => name.startsWith(who)) || /^(You|你|您|\p{L})/u.test(name)));
  return [...(heard.length === shown ? [] : [`${shown} messages are shown and ${heard.length} are heard`]), ...wrong.map((name) => `a message is heard as “${name.slice(0, 120)}”`)];
}

async function walkIn(browser: Browser, look: Look, url: string, folder: string | undefined, found: string[]): Promise<number> {
  const server = livelyServer();
  server.addPerson(NEWCOMER, 'Nia Newcomer');
  const { page, complaints } = await openPage(browser, look.name, look.options);
  for (const address of [ME, NEWCOMER]) {
    const held = server.of(address);
    held.preferences = { ...held.preferences, theme: look.theme, language: look.language };
  }
  await connect(page, server);
  const see: See = async (what, keepsFocus) => {
    // Before anything scrolls it.
    if (folder !== undefined && !what.startsWith('behind ')) await page.screenshot({ path: `${folder}/${look.name}-${String(walk.states).padStart(2, '0')}-${what.replaceAll(' ', '-')}.png` });
    const lost = keepsFocus ? await isLost(page) : undefined;
    // What is behind a dialog was looked at before it was there.
    const wrong = what.startsWith('behind ') ? [] : await findingsOf(page);
    if (what === 'room') wrong.push(...(await unheard(page, server)));
    for (const line of [...wrong, ...(lost ? [lost] : [])]) found.push(`${line} (first in ${look.name}, ${what})`);
  };
  const walk = new Walk(look, page, server, see);
  try {
    await walkThrough(walk, url);
  } catch (error) {
    if (folder !== undefined) await page.screenshot({ path: `${folder}/${look.name}-failed.png` });
    throw error;
  }
  for (const complaint of complaints) found.push(complaint);
  await page.context().close();
  return walk.states;
}

/** Where less motion is wanted nothing moves for longer than a blink, but what breathes to show that it waits. */
async function motionless(browser: Browser, url: string, found: string[]): Promise<void> {
  const server = livelyServer();
  const { page } = await openPage(browser, 'motion', { reducedMotion: 'reduce' });
  await connect(page, server);
  await page.goto(url);
  await new Walk({ name: 'motion', theme: 'system', language: 'en', options: {} }, page, server, () => Promise.resolve()).signIn(ME);
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

export default async function states([place = '', folder, ...wanted]: string[]): Promise<void> {
  if (place === '') throw new Error('states BINARY|URL [FOLDER] [LOOK…]');
  const server = place.startsWith('http') ? undefined : await Server.start(place);
  try {
    await look(server?.url ?? place, folder, wanted);
  } finally {
    await server?.stop();
  }
}

async function look(url: string, folder: string | undefined, wanted: readonly string[]): Promise<void> {
  const browser = await openBrowser();
  const found: string[] = [];
  const all = [...WIDE, ...NARROW];
  const looks = wanted.length > 0 ? all.filter(({ name }) => wanted.includes(name)) : all.filter(({ name }) => process.env.WAXWING_LOOKS === 'all' || CHOSEN.includes(name));
  for (const one of looks) {
    const before = found.length;
    const states = await walkIn(browser, one, url, folder, found);
    console.log([`${one.name}: ${states} states, ${found.length - before} findings`, ...found.slice(before)].join('\n  '));
  }
  await motionless(browser, url, found);
  await closeBrowser(browser);
  // Each thing once, where it was seen first.
  const distinct = new Map(found.map((line): [string, string] => [line.replace(/ \((?:first in|behind) .*/, ''), line]).reverse());
  if (distinct.size > 0) throw new Error(`\n${[...distinct.values()].reverse().join('\n')}`);
  console.log('nothing keeps anybody out');
}
