// Two people at two browsers: signing in, chatting, reacting, editing, taking back, threads, rooms, drafts, files, an outage.
// `two-people URL ADDRESS PASSWORD ADDRESS PASSWORD [FOLDER]`: the server runs already, and the accounts exist.
import type { Locator, Page } from 'playwright-core';
import { closeBrowser, openBrowser, openPage, signIn } from './browser';

const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

let doing = '';

async function step(what: string, work: () => Promise<void>): Promise<void> {
  doing = what;
  const start = Date.now();
  await work();
  console.log(`${what}: ${Date.now() - start} ms`);
}

function check(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

const composer = (page: Page): Locator => page.locator('main [data-region="composer"] textarea');
const message = (page: Page, text: string): Locator => page.locator('main article', { hasText: text }).last();
const row = (page: Page, name: string): Locator => page.getByRole('navigation', { name: 'Conversations' }).getByRole('link', { name: new RegExp(`^${name}`) });

/** The same row while something in it waits for its reader. */
const waiting = (page: Page, name: string): Locator => page.getByRole('navigation', { name: 'Conversations' }).getByRole('link', { name: new RegExp(`^${name}.*for you`) });

async function write(page: Page, text: string): Promise<void> {
  await composer(page).fill(text);
  await composer(page).press('Enter');
  await page.locator('main article[data-message]', { hasText: text }).last().waitFor();
}

async function act(page: Page, text: string, action: string): Promise<void> {
  await message(page, text).hover();
  const bar = message(page, text).getByRole('toolbar');
  const button = bar.getByRole('button', { name: action, exact: true });
  if ((await button.count()) > 0) {
    await button.click();
    return;
  }
  await bar.getByRole('button', { name: 'More' }).click();
  await page.getByRole('menuitem', { name: action }).click();
}

async function startWith(page: Page, name: string): Promise<void> {
  await page.getByRole('button', { name: 'New', exact: true }).click();
  await page.getByRole('menuitem', { name: 'Start a conversation' }).click();
  await page.getByRole('combobox', { name: 'With whom?' }).fill(name);
  await page.getByRole('option', { name }).first().click();
  await page.getByRole('dialog').getByRole('button', { name: 'Start' }).click();
  await page.locator('main').getByRole('heading', { level: 1, name }).waitFor();
}

export default async function twoPeople(args: string[]): Promise<void> {
  const [url = '', first = '', firstPassword = '', second = '', secondPassword = '', folder] = args;
  if (secondPassword === '') throw new Error('two-people URL ADDRESS PASSWORD ADDRESS PASSWORD [FOLDER]');
  const browser = await openBrowser();
  const one = await openPage(browser, first);
  const two = await openPage(browser, second);
  const [a, b] = [one.page, two.page];
  const mark = Date.now().toString(36);
  const shoot = async (page: Page, name: string) => {
    if (folder) await page.screenshot({ path: `${folder}/${name}.png` });
  };
  try {
    await step('sign in', async () => {
      await Promise.all([signIn(a, url, first, firstPassword), signIn(b, url, second, secondPassword)]);
    });
    const nameOf = async (page: Page) => ((await page.locator('.me').getAttribute('aria-label')) ?? '').split(':')[0] ?? '';
    const [nameA, nameB] = [await nameOf(a), await nameOf(b)];

    await step('a direct message', async () => {
      await startWith(a, nameB);
      await write(a, `Hello ${mark}`);
      await waiting(b, nameA).waitFor();
      check((await b.title()).startsWith('('), 'The title of the page does not count what is unread.');
      await row(b, nameA).click();
      await message(b, `Hello ${mark}`).waitFor();
      await waiting(b, nameA).waitFor({ state: 'detached' });
      await a.getByText('Seen').waitFor();
    });

    await step('typing', async () => {
      await composer(b).pressSequentially('I am');
      await a.getByText(`${nameB} is writing…`).waitFor();
      await composer(b).fill('');
    });

    await step('an answer', async () => {
      await act(b, `Hello ${mark}`, 'Reply');
      await write(b, `Answer ${mark}`);
      await message(a, `Answer ${mark}`).getByText(`Hello ${mark}`).waitFor();
    });

    await step('a reaction', async () => {
      await act(a, `Answer ${mark}`, 'React with 👍');
      await message(b, `Answer ${mark}`).getByRole('button', { name: /^👍 \d+ by/ }).waitFor();
      await message(b, `Answer ${mark}`).getByRole('button', { name: /^👍 \d+ by/ }).click();
      await message(a, `Answer ${mark}`).getByRole('button', { name: /^👍 \d+ by/ }).getByText('2').waitFor();
    });

    await step('editing', async () => {
      await write(b, `Tpyo ${mark}`);
      await composer(b).press('ArrowUp');
      await composer(b).fill(`Typo ${mark}`);
      await composer(b).press('Enter');
      await message(a, `Typo ${mark}`).getByText('(edited)').waitFor();
      check((await composer(b).inputValue()) === '', 'After editing the field is not empty.');
    });

    await step('taking back', async () => {
      await act(b, `Typo ${mark}`, 'Take back');
      await b.getByRole('dialog').getByRole('button', { name: 'Take back' }).click();
      await a.getByText(`${nameB} took this message back`).last().waitFor();
      await a.getByText(`Typo ${mark}`).waitFor({ state: 'detached' });
    });
    await shoot(a, 'direct');

    const room = `Room ${mark}`;
    await step('a room', async () => {
      await a.getByRole('button', { name: 'New', exact: true }).click();
      await a.getByRole('menuitem', { name: 'Create a room' }).click();
      await a.getByLabel('Name', { exact: true }).fill(room);
      await a.getByRole('dialog').getByRole('button', { name: 'Create' }).click();
      await a.locator('main').getByRole('heading', { level: 1, name: room }).waitFor();
      await write(a, `First in the room ${mark}`);
      await b.getByRole('button', { name: 'New', exact: true }).click();
      await b.getByRole('menuitem', { name: 'Browse rooms' }).click();
      await b.getByRole('searchbox').fill(room);
      await b.locator('dialog li', { hasText: room }).getByRole('button', { name: 'Join' }).click();
      await message(b, `First in the room ${mark}`).waitFor();
    });

    await step('a mention', async () => {
      await row(b, nameA).click();
      await b.locator('main').getByRole('heading', { level: 1, name: nameA }).waitFor();
      await composer(a).pressSequentially(`Look @${nameB.slice(0, 2)}`);
      await a.getByRole('option', { name: nameB }).click();
      await composer(a).pressSequentially(`here ${mark}`);
      await composer(a).press('Enter');
      await waiting(b, room).waitFor();
      await row(b, room).click();
      await message(b, `here ${mark}`).waitFor();
    });

    await step('a thread', async () => {
      await act(b, `First in the room ${mark}`, 'Reply in thread');
      const field = b.locator('aside [data-region="composer"] textarea');
      await field.fill(`In the thread ${mark}`);
      await field.press('Enter');
      await b.locator('aside article[data-message]', { hasText: `In the thread ${mark}` }).waitFor();
      await message(a, `First in the room ${mark}`).getByText('1 reply').click();
      await a.locator('aside article', { hasText: `In the thread ${mark}` }).waitFor();
      check((await a.locator('main article', { hasText: `In the thread ${mark}` }).count()) === 0, 'A reply in a thread stands in the room as well.');
      await shoot(a, 'thread');
      await b.keyboard.press('Escape');
      await a.keyboard.press('Escape');
    });

    await step('pinning and saving', async () => {
      await act(a, `First in the room ${mark}`, 'Pin');
      await message(b, `First in the room ${mark}`).getByText(/^Pinned by/).waitFor();
      await act(b, `First in the room ${mark}`, 'Save for later');
      await b.getByRole('link', { name: 'Saved' }).click();
      await b.locator('main article', { hasText: `First in the room ${mark}` }).waitFor();
      await row(b, room).click();
    });

    await step('a picture', async () => {
      await a.locator('main [data-region="composer"] input[type="file"]').setInputFiles({ name: `dot-${mark}.png`, mimeType: 'image/png', buffer: Buffer.from(PIXEL, 'base64') });
      await a.getByRole('list', { name: 'Files to send' }).getByText('bytes').waitFor();
      await composer(a).press('Enter');
      const picture = b.locator('main').getByRole('img', { name: `dot-${mark}.png` });
      await picture.waitFor();
      await b.waitForFunction((name) => [...document.images].some((i) => i.alt === name && i.complete && i.naturalWidth > 0), `dot-${mark}.png`);
    });

    await step('search', async () => {
      await b.keyboard.press('Control+f');
      await b.locator('aside').getByRole('searchbox').fill(mark);
      await b.locator('aside article', { hasText: `First in the room ${mark}` }).waitFor();
      await b.keyboard.press('Escape');
    });

    await step('a draft on a second device', async () => {
      await composer(a).fill(`Half a thought ${mark}`);
      await row(a, nameB).click();
      await a.locator('main').getByRole('heading', { level: 1, name: nameB }).waitFor();
      // A draft is kept once one has stopped writing for a moment; the page shows nothing of that.
      await a.waitForTimeout(1200);
      const other = await openPage(browser, `${first} elsewhere`);
      await signIn(other.page, url, first, firstPassword);
      await row(other.page, room).click();
      await other.page.waitForFunction((text) => [...document.querySelectorAll('textarea')].some((t) => t.value === text), `Half a thought ${mark}`);
      await other.page.context().close();
      await row(a, room).click();
      check((await composer(a).inputValue()) === `Half a thought ${mark}`, 'The draft is gone.');
      await composer(a).fill('');
    });

    await step('an outage', async () => {
      await a.context().setOffline(true);
      await a.evaluate(() => dispatchEvent(new Event('offline')));
      await write(b, `While you were away ${mark}`);
      // Without a connection nothing comes, which no condition tells.
      await a.waitForTimeout(500);
      await a.context().setOffline(false);
      await a.evaluate(() => dispatchEvent(new Event('online')));
      await message(a, `While you were away ${mark}`).waitFor({ timeout: 40_000 });
      check((await a.locator('main article', { hasText: `While you were away ${mark}` }).count()) === 1, 'A message is there twice after an outage.');
    });

    await step('a reload', async () => {
      await a.reload();
      await message(a, `While you were away ${mark}`).waitFor();
    });
    await shoot(a, 'room');
    await shoot(b, 'room-other');

    await step('signing out', async () => {
      await b.locator('.me').click();
      await b.getByRole('menuitem', { name: 'Sign out' }).click();
      await b.getByRole('button', { name: 'Sign in' }).waitFor();
      await b.reload();
      await b.getByRole('button', { name: 'Sign in' }).waitFor();
    });
  } catch (error) {
    await shoot(a, 'failed-one');
    await shoot(b, 'failed-two');
    for (const complaint of [...one.complaints, ...two.complaints]) console.error(complaint);
    throw new Error(`It failed while doing: ${doing}`, { cause: error });
  }
  const complaints = [...one.complaints, ...two.complaints].filter((c) => !c.includes('ERR_INTERNET_DISCONNECTED'));
  await closeBrowser(browser);
  if (complaints.length > 0) throw new Error(`The pages complained:\n${complaints.join('\n')}`);
  console.log('Everything works.');
}
