// The way through every page and state of the client, against a server in memory; what is looked at on the way is another's business.
import type { BrowserContextOptions, Locator, Page } from 'playwright-core';
import type { FakeServer } from '$lib/testing/fake-server';
import { still } from './browser';
import { GENERAL, ME } from './lively';

export const NEWCOMER = 'newcomer@localhost';

export interface Look {
  name: string;
  options: BrowserContextOptions;
  theme: 'system' | 'contrast';
  language: string;
}

/** What is done at each state; `keepsFocus` where somebody came by pressing something, and not by an address. */
export type See = (what: string, keepsFocus: boolean) => Promise<void>;

export class Walk {
  states = 0;

  constructor(
    readonly look: Look,
    readonly page: Page,
    readonly server: FakeServer,
    private readonly eye: See,
  ) {}

  get isWide(): boolean {
    return (this.look.options.viewport?.width ?? 1280) > 640;
  }

  async see(what: string, keepsFocus = false): Promise<void> {
    this.states += 1;
    // Nothing is judged in the middle of a movement.
    await still(this.page);
    await this.eye(what, keepsFocus);
  }

  go(hash: string): Promise<string> {
    return this.page.evaluate((h) => (location.hash = h), hash);
  }

  /** Sees what a dialog shows, closes it, and sees what is behind it. */
  async within(what: string, open: () => Promise<unknown>): Promise<void> {
    await open();
    await this.page.locator('dialog[open]').last().waitFor();
    await this.see(what, true);
    await this.page.keyboard.press('Escape');
    await this.page.locator('dialog[open]').waitFor({ state: 'detached' });
    await this.eye(`behind ${what}`, true);
  }

  async signIn(address: string): Promise<void> {
    const { page } = this;
    await page.locator('input[autocomplete="username"]').fill(address);
    await page.locator('input[type="password"]').first().fill('secret');
    await page.keyboard.press('Enter');
    await page.locator('[data-region="sidebar"]').waitFor();
  }
}

const article = (page: Page, text: string): Locator => page.locator('article[data-message]', { hasText: text }).last();

/** Before anybody has signed in, and what whoever is new finds. */
async function beginning(walk: Walk, url: string): Promise<void> {
  const { page } = walk;
  await page.goto(url);
  await page.locator('input[type="password"]').first().waitFor();
  await walk.see('sign-in', true);
  await page.locator('input[autocomplete="username"]').fill(ME);
  await page.locator('input[type="password"]').first().fill('wrong');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').first().waitFor();
  await walk.see('sign-in refused', true);
  await page.goto(`${url}#/invite/some-token`);
  await page.locator('input[type="password"]').nth(1).waitFor();
  await walk.see('invitation');
  await page.goto('about:blank');
  await page.goto(`${url}#/`);
  await walk.signIn(NEWCOMER);
  await walk.see('list of a newcomer', true);
  if (walk.isWide) await walk.see('welcome', true);
  for (const view of ['threads', 'mentions', 'saved', 'people']) {
    await walk.go(`#/${view}`);
    await walk.see(`${view} of a newcomer`);
  }
  await page.evaluate(() => localStorage.clear());
  await page.goto('about:blank');
  await page.goto(url);
  await page.locator('input[type="password"]').first().waitFor();
  await walk.signIn(ME);
}

async function conversations(walk: Walk): Promise<void> {
  const { page, server } = walk;
  await walk.see('list', true);
  await page.locator(`[data-conversation="${GENERAL}"]`).click();
  await page.locator('article[data-message]').first().waitFor();
  await walk.see('room', true);
  const code = server.place(ME, GENERAL).messages.find((m) => m.text.includes('```'));
  await walk.go(`#/c/${encodeURIComponent(GENERAL)}?thread=${code?.id}`);
  await walk.see('thread');
  for (const panel of ['details', 'members', 'files', 'pinned']) {
    await walk.go(`#/c/${encodeURIComponent(GENERAL)}?panel=${panel}`);
    await walk.see(panel);
  }
  for (const [what, words] of [['search', ''], ['search found', 'the'], ['search found nothing', 'zzzz']] as const) {
    await walk.go(`#/c/${encodeURIComponent(GENERAL)}?search=${words}`);
    await walk.see(what);
  }
  await walk.go('#/c/design%40rooms.localhost');
  const poll = page.locator('article[data-message]', { has: page.locator('.poll') });
  await poll.focus();
  await poll.press('Shift');
  await walk.see('poll of mine');
  await poll.getByRole('toolbar').getByRole('button').last().click();
  await page.getByRole('menuitem').first().waitFor();
  await page.keyboard.press('Home');
  await walk.within('closing a poll', () => page.keyboard.press('Enter'));
  await poll.focus();
  await poll.press('Shift');
  await poll.getByRole('toolbar').getByRole('button').last().click();
  await page.getByRole('menuitem').first().waitFor();
  await page.keyboard.press('Home');
  await page.keyboard.press('Enter');
  await page.locator('dialog[open] footer button').last().click();
  await poll.locator('button.option:disabled').first().waitFor();
  await walk.see('poll that is closed', true);
  await walk.go('#/c/nobody%40localhost');
  await walk.see('no such conversation');
  await walk.go('#/c/bo%40localhost');
  server.emit(ME, { type: 'typing', conversation: 'bo@localhost', address: 'bo@localhost', state: 'composing' });
  await walk.see('direct');
  await walk.go('#/c/bo%40localhost?panel=details');
  await walk.see('details of a person');
  await walk.go('#/c/news%40rooms.localhost');
  await walk.see('announcements');
  for (const view of ['threads', 'mentions', 'saved', 'people']) {
    await walk.go(`#/${view}`);
    await walk.see(view);
  }
}

async function dialogs(walk: Walk): Promise<void> {
  const { page } = walk;
  await walk.go('#/');
  await page.locator('[data-region="sidebar"] a').first().focus();
  await walk.within('switcher', () => page.keyboard.press('Control+k'));
  await walk.within('switcher with results', async () => {
    await page.keyboard.press('Control+k');
    await page.locator('dialog input:focus').waitFor();
    await page.keyboard.type('re');
    await page.locator('dialog [role="option"]', { hasText: 'small room' }).waitFor();
  });
  await walk.within('keys', () => page.keyboard.press('Control+/'));
  await page.keyboard.press('Control+,');
  await page.locator('dialog nav button').first().waitFor();
  const pages = await page.locator('dialog nav button').count();
  for (let i = 0; i < pages; i += 1) {
    await page.locator('dialog nav button').nth(i).click();
    await walk.see(`settings ${i + 1}`, true);
  }
  await page.keyboard.press('Escape');
  const menu = async (item: number): Promise<void> => {
    await page.locator('[data-region="sidebar"] header button').last().click();
    await page.getByRole('menuitem').nth(item).click();
  };
  await page.locator('[data-region="sidebar"] header button').last().click();
  await walk.see('menu of what is new', true);
  await page.keyboard.press('Escape');
  for (const [item, what] of ['start', 'create a room', 'browse rooms', 'new section'].entries()) await walk.within(what, () => menu(item));
  await walk.within('status', async () => {
    await page.locator('.me').click();
    await page.getByRole('menuitem').nth(0).or(page.getByRole('menuitemradio').nth(3)).first().waitFor();
    await page.locator('[role^="menuitem"]').nth(3).click();
  });
  await page.locator('[data-region="sidebar"] header button').first().click();
  await walk.see('only unread', true);
  await page.locator('[data-region="sidebar"] header button').first().click();
}

/** What is done with messages, and what one is writing. */
async function writing(walk: Walk): Promise<void> {
  const { page, server } = walk;
  await walk.go(`#/c/${encodeURIComponent(GENERAL)}`);
  const message = article(page, 'New illustrations');
  await message.waitFor();
  const field = page.locator('[data-region="main"] [data-region="composer"] textarea');
  const reach = async (one: Locator): Promise<Locator> => {
    await one.scrollIntoViewIfNeeded();
    await one.focus();
    await one.press('Shift');
    return one.getByRole('toolbar');
  };
  await reach(message);
  await walk.see('message in focus', true);
  await (await reach(message)).getByRole('button').last().click();
  await walk.see('menu of a message', true);
  await page.keyboard.press('Escape');
  await walk.see('behind the menu of a message', true);
  await message.focus();
  await page.keyboard.press('e');
  await page.locator('.popover .cell').first().waitFor();
  await walk.see('reactions to choose from', true);
  await page.keyboard.press('Escape');
  await message.locator('button img').first().click();
  await walk.see('picture', true);
  await page.keyboard.press('Escape');
  const own = article(page, 'And in the release notes');
  await (await reach(own)).getByRole('button').last().click();
  await page.getByRole('menuitem').last().click();
  await page.locator('dialog[open]').waitFor();
  await walk.see('taking back', true);
  await page.keyboard.press('Escape');
  await (await reach(own)).getByRole('button').last().click();
  await walk.within('who has read it', () => page.getByRole('menuitem').nth(-2).click());
  await message.focus();
  await page.keyboard.press('r');
  await walk.see('answering', true);
  await page.keyboard.press('Escape');
  await page.keyboard.press('ArrowUp');
  await walk.see('editing', true);
  await page.keyboard.press('Escape');
  await message.locator('button.name').click();
  await page.locator('.popover .card').waitFor();
  await walk.see('card of somebody', true);
  await page.keyboard.press('Escape');
  if (walk.isWide) {
    await page.locator(`[data-conversation="${GENERAL}"]`).click({ button: 'right' });
    await walk.see('menu of a conversation', true);
    await page.keyboard.press('Escape');
  }
  await page.locator('[data-region="composer"] input[type="file"]').setInputFiles({ name: 'A report with a rather long name.pdf', mimeType: 'application/pdf', buffer: Buffer.alloc(1000) });
  await page.locator('.uploads .failed').waitFor();
  await walk.see('file that did not arrive');
  await page.locator('.uploads button').last().click();
  await field.fill('@bo');
  await walk.see('mention', true);
  await field.fill(':tad');
  await walk.see('emoji completion', true);
  await field.fill('/');
  await walk.see('commands', true);
  await field.fill('See *this* and `that`\n> quoted');
  if (walk.isWide) {
    await page.locator('[data-region="composer"] .formats button').last().click();
    await walk.see('preview');
    await page.locator('[data-region="composer"] .formats button').last().click();
  }
  const more = async (item: number): Promise<void> => {
    await page.locator('[data-region="composer"] .tools [aria-haspopup="menu"]').first().click();
    await page.getByRole('menuitem').nth(item).click();
  };
  await walk.within('jump to a date', async () => {
    // In a very small window something else may lie over it.
    await page.locator('.day button').first().focus();
    await page.keyboard.press('Enter');
  });
  await more(0);
  await page.locator('.recorder [role="alert"]').waitFor();
  await walk.see('no microphone', true);
  await page.locator('.recorder button').last().click();
  await walk.within('poll', () => more(1));
  await walk.within('send later', () => more(2));
  await field.fill('');
  server.isDown = true;
  server.cut();
  await page.locator('[role="status"] .bar').waitFor();
  await field.fill('Written without a connection');
  await page.locator('[data-region="composer"] .send').click();
  await page.locator('.outgoing').waitFor();
  await walk.see('without a connection', true);
}

/** Everything, from before anybody has signed in until there is no connection any more. */
export async function walkThrough(walk: Walk, url: string): Promise<void> {
  await beginning(walk, url);
  await conversations(walk);
  await dialogs(walk);
  await writing(walk);
}
