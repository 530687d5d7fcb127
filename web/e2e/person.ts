// Somebody at a browser: finds what is on the page by the words that it says in his language, and does what people do there.
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { openPage, still } from './browser';
import { nameOf, optionsOf, Words, type Key, type Look } from './looks';
import type { Account } from './server';
import { until } from './wait';

export class Person {
  readonly words: Words;

  private constructor(
    readonly page: Page,
    readonly complaints: string[],
    readonly account: Account,
    readonly look: Look,
    private readonly url: string,
  ) {
    this.words = new Words(look.language);
  }

  static async open(browser: Browser, url: string, account: Account, look: Look, options: BrowserContextOptions = {}): Promise<Person> {
    const { page, complaints } = await openPage(browser, account.name, { ...optionsOf(look), ...options });
    return new Person(page, complaints, account, look, url);
  }

  get isPhone(): boolean {
    return this.look.width === 'phone';
  }

  say(key: Key, values: Record<string, string | number> = {}): string {
    return this.words.say(key, values);
  }

  like: Words['like'] = (key, values) => this.words.like(key, values);

  async signIn(): Promise<void> {
    const { page } = this;
    await page.goto(this.url);
    await page.getByLabel(this.say('signin.address')).fill(this.account.address);
    await page.getByLabel(this.say('signin.password'), { exact: true }).fill(this.account.password);
    await page.getByRole('button', { name: this.say('signin.submit'), exact: true }).click();
    await this.list.waitFor();
  }

  // What is on the page.

  get list(): Locator {
    return this.page.getByRole('navigation', { name: this.say('region.sidebar') });
  }

  /** The list also where it is not in view, as on a phone beside a conversation: it has no role there. */
  get side(): Locator {
    return this.page.locator('[data-region="sidebar"]');
  }

  get main(): Locator {
    return this.page.locator('[data-region="main"]');
  }

  get panel(): Locator {
    return this.page.locator('[data-region="panel"]');
  }

  get dialog(): Locator {
    return this.page.getByRole('dialog');
  }

  composer(within: Locator = this.main): Locator {
    return within.locator('[data-region="composer"] textarea');
  }

  message(text: string, within: Locator = this.main): Locator {
    return within.locator('article[data-message]', { hasText: text }).last();
  }

  row(address: string): Locator {
    return this.side.locator(`[data-conversation="${address}"]`);
  }

  /** The row while something in it waits for its reader; on a phone also where the list is not in view, so that one can wait for its end. */
  waiting(address: string): Locator {
    return this.page.locator(`[data-conversation="${address}"]:has(.count)`);
  }

  /** A row that is written in bold, whether or not it counts anything. */
  unread(address: string): Locator {
    return this.page.locator(`[data-conversation="${address}"].unread`);
  }

  button(key: Key, values: Record<string, string | number> = {}, within: Locator | Page = this.page): Locator {
    return within.getByRole('button', { name: this.say(key, values), exact: true });
  }

  /** Goes to the newest message with the button that says how many are below, or that there is an end. */
  async toEnd(): Promise<void> {
    await this.button('timeline.toEnd').or(this.page.getByRole('button', { name: this.like('timeline.below') })).first().click();
  }

  /** After whatever somebody does the focus is on something that is shown, and not on the page as a whole; where not, that is a complaint. */
  async keepsFocus(after: string): Promise<void> {
    const isKept = (): Promise<boolean> => this.page.evaluate(() => document.activeElement !== null && document.activeElement !== document.body && document.activeElement.checkVisibility());
    await until('the focus is somewhere', isKept).catch(() => {
      this.complaints.push(`the focus is lost after: ${after} (${this.account.name}, ${this.look.width})`);
    });
  }

  // What people do.

  /** Goes to a place by the address of the page. */
  async go(hash: string): Promise<void> {
    await this.page.evaluate((h) => (location.hash = h), hash);
  }

  async home(): Promise<void> {
    await this.closeAll();
    await this.go('#/');
    await this.list.waitFor();
  }

  /** Closes what lies over the page. */
  async closeAll(): Promise<void> {
    for (let i = 0; i < 4 && (await this.page.locator('dialog[open], [role="menu"], .popover').count()) > 0; i += 1) {
      await this.page.keyboard.press('Escape');
      await this.keepsFocus('Escape');
    }
  }

  /** Opens a conversation from the list. */
  async open(address: string): Promise<void> {
    if (this.isPhone) await this.home();
    await this.row(address).click();
    await this.composer().waitFor();
    await this.keepsFocus('opening a conversation');
  }

  async write(text: string, within: Locator = this.main): Promise<void> {
    await this.composer(within).fill(text);
    await this.send(within);
    await this.message(text, within).waitFor();
  }

  async send(within: Locator = this.main): Promise<void> {
    await within.locator('[data-region="composer"]').getByRole('button', { name: this.say('composer.send'), exact: true }).click();
    await this.keepsFocus('sending');
  }

  /** Has the buttons of a message shown, with the mouse or with a finger. */
  async reach(message: Locator): Promise<Locator> {
    await message.scrollIntoViewIfNeeded();
    if (this.isPhone) {
      // Beside the words, where nothing else is to be pressed.
      const box = await message.boundingBox();
      await message.click({ position: { x: (box?.width ?? 40) - 10, y: 8 } });
    } else {
      await message.hover();
    }
    const bar = message.getByRole('toolbar');
    await bar.waitFor();
    return bar;
  }

  /** Does something with a message, by its buttons or its menu. */
  async act(message: Locator, action: Key, values: Record<string, string | number> = {}): Promise<void> {
    const bar = await this.reach(message);
    const name = this.say(action, values);
    const button = bar.getByRole('button', { name, exact: true });
    if ((await button.count()) > 0) {
      await button.click();
      await this.keepsFocus(name);
      return;
    }
    await bar.getByRole('button', { name: this.say('action.more'), exact: true }).click();
    await this.choose(name);
  }

  /** Chooses from the menu that is open. */
  async choose(name: string | RegExp): Promise<void> {
    await this.page.getByRole('menuitem', { name }).or(this.page.getByRole('menuitemradio', { name })).or(this.page.getByRole('menuitemcheckbox', { name })).first().click();
    await this.keepsFocus(String(name));
  }

  /** Chooses from the menu of a conversation in the list. */
  async configure(address: string, item: Key, values: Record<string, string | number> = {}): Promise<void> {
    if (this.isPhone) {
      // A finger has no second button: the menu in the header says the same.
      await this.open(address);
      await this.main.locator('[data-region="header"]').getByRole('button', { name: this.say('header.more'), exact: true }).click();
    } else {
      await this.row(address).click({ button: 'right' });
    }
    await this.choose(this.say(item, values));
  }

  async new(item: Key): Promise<void> {
    if (this.isPhone) await this.home();
    await this.list.getByRole('button', { name: this.say('sidebar.new'), exact: true }).click();
    await this.choose(this.say(item));
  }

  async more(item: Key): Promise<void> {
    await this.main.locator('[data-region="composer"]').getByRole('button', { name: this.say('composer.more'), exact: true }).click();
    await this.choose(this.say(item));
  }

  /** Opens what stands beside a conversation. */
  async beside(address: string, query: string): Promise<Locator> {
    await this.go(`#/c/${encodeURIComponent(address)}?${query}`);
    await this.panel.waitFor();
    return this.panel;
  }

  async settings(page: Key): Promise<Locator> {
    await this.closeAll();
    await this.page.keyboard.press('Control+,');
    await this.dialog.getByRole('button', { name: this.say(page), exact: true }).click();
    return this.dialog;
  }

  async shoot(folder: string | undefined, name: string): Promise<void> {
    if (folder === undefined) return;
    await still(this.page);
    await this.page.screenshot({ path: `${folder}/${nameOf(this.look)}-${name}.png` });
  }
}
