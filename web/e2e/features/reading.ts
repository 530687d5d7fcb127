// What waits for people, what they have read, and how they find it again.
import { Caller } from '../caller';
import type { Person } from '../person';
import type { Feature } from '../stage';
import { until } from '../wait';

/** Messages of a conversation that fill more than a window. */
const MANY = 60;

export const READING: readonly Feature[] = [
  {
    name: 'unread badges return to zero on every device',
    async run({ romeo, juliet, nurse, accounts, device, room, text }) {
      const second = await device(accounts.juliet);
      await Promise.all([juliet.home(), second.home()]);
      const [said, mention] = [text('For thee'), text('hark')];
      await romeo.open(juliet.account.address);
      await romeo.write(said);
      await romeo.open(room);
      await romeo.composer().pressSequentially(`@${juliet.account.name.slice(0, 3)}`);
      await romeo.page.getByRole('option', { name: juliet.account.name }).first().click();
      await romeo.composer().pressSequentially(mention);
      await romeo.send();
      for (const one of [juliet, second]) {
        await one.waiting(romeo.account.address).waitFor();
        await one.waiting(room).waitFor();
        await until('the title counts', async () => (await one.page.title()).startsWith('('));
        await until('the icon is marked', () => one.page.locator('link[rel="icon"][href^="data:"]').count().then((n) => n === 1));
      }
      await juliet.open(romeo.account.address);
      await juliet.message(said).waitFor();
      await second.waiting(romeo.account.address).waitFor({ state: 'detached' });
      await second.waiting(room).waitFor();
      await second.open(room);
      await second.message(mention).waitFor();
      await juliet.waiting(room).waitFor({ state: 'detached' });
      for (const one of [juliet, second]) {
        await one.home();
        await until('the title counts nothing', async () => !(await one.page.title()).startsWith('('));
        await until('the icon is plain', () => one.page.locator('link[rel="icon"][href="/favicon.svg"]').count().then((n) => n === 1));
        await until('no badge stays', async () => (await one.side.locator('.count').count()) === 0);
      }
      // One who uses both: what is read at the browser is not unread there when she writes from the terminal.
      await nurse.talkTo(juliet.account.address);
      const hers = text('Madam');
      await nurse.type(hers);
      await juliet.waiting(accounts.nurse.address).waitFor();
      await juliet.open(accounts.nurse.address);
      await juliet.message(hers).waitFor();
      await second.waiting(accounts.nurse.address).waitFor({ state: 'detached' });
      await second.page.context().close();
    },
  },
  {
    name: 'the line above what is new, open at last read, jump to the newest',
    async run({ romeo, juliet, room, text }) {
      const mark = text('line');
      await juliet.open(room);
      await romeo.open(room);
      await romeo.write(`${mark} read`);
      await juliet.message(`${mark} read`).waitFor();
      await juliet.unread(room).waitFor({ state: 'detached' });
      await juliet.home();
      const caller = await Caller.open(romeo.page, romeo.account);
      for (let i = 0; i < MANY; i += 1) await caller.call('message.send', { conversation: room, client_id: `${mark}-${i}`, text: `${mark} ${i}.` });
      await juliet.unread(room).waitFor();
      await juliet.open(room);
      await juliet.main.locator('[data-new]').waitFor();
      await juliet.message(`${mark} 0.`).waitFor();
      await juliet.toEnd();
      await juliet.message(`${mark} ${MANY - 1}.`).waitFor();
      await juliet.unread(room).waitFor({ state: 'detached' });
      // Who has conversations open at the newest finds the way to the first that is new.
      const own = await Caller.open(juliet.page, juliet.account);
      await own.call('preferences.change', { open_at: 'newest' });
      await juliet.home();
      for (let i = 0; i < MANY; i += 1) await caller.call('message.send', { conversation: room, client_id: `${mark}-new-${i}`, text: `${mark} new ${i}.` });
      await juliet.unread(room).waitFor();
      // Twice on the sign of what is unread opens the first such conversation.
      await juliet.page.locator('[data-region="rail"] li a').first().dblclick();
      await until('a conversation is open', () => juliet.page.evaluate(() => location.hash.startsWith('#/c/')));
      await juliet.open(room);
      await juliet.message(`${mark} new ${MANY - 1}.`).waitFor();
      await juliet.button('timeline.toNew').click();
      await until('the first new message has the focus', () => juliet.page.evaluate((said) => document.activeElement?.textContent?.includes(said) === true, `${mark} new 0.`));
      await juliet.button('timeline.toNew').waitFor({ state: 'detached' });
      await own.call('preferences.change', { open_at: 'last_read' });
      // Whether the newest were read before she went up depends on how quick she was.
      await juliet.toEnd();
      await juliet.unread(room).waitFor({ state: 'detached' });
    },
  },
  {
    name: 'jump to a date',
    async run({ romeo, room, text }) {
      await romeo.open(room);
      const last = text('Here and now');
      await romeo.write(last);
      const go = async (date: string): Promise<void> => {
        await romeo.dialog.getByLabel(romeo.say('date.day')).fill(date);
        await romeo.button('date.go', {}, romeo.dialog).click();
        await romeo.dialog.waitFor({ state: 'detached' });
      };
      const isFocused = (index: 0 | -1): Promise<boolean> =>
        romeo.page.evaluate((index) => {
          const rows = [...document.querySelectorAll('[data-region="timeline"] article[data-message]')];
          return document.activeElement !== null && document.activeElement === rows.at(index);
        }, index);
      await romeo.main.locator('[data-region="header"]').getByRole('button', { name: romeo.say('header.more'), exact: true }).click();
      await romeo.choose(romeo.say('date.title'));
      // Before there was anything: the beginning, which is where the first day begins too.
      await go('2020-02-02');
      await romeo.main.getByText(romeo.like('timeline.roomBegins')).waitFor();
      await until('the first message has the focus', () => isFocused(0));
      await romeo.main.getByRole('button', { name: romeo.like('date.from') }).first().click();
      await go(new Date().toLocaleDateString('sv'));
      await until('the first message of today has the focus', () => isFocused(0));
    },
  },
  {
    name: 'unread from here, and marking a conversation',
    async run({ romeo, juliet, accounts, device, room, text }) {
      const other = await device(accounts.juliet);
      await other.home();
      for (const [his, hers] of [[accounts.juliet.address, accounts.romeo.address], [room, room]] as const) {
        const [first, second] = [text('One fair daughter'), text('and no more')];
        await romeo.open(his);
        await juliet.open(hers);
        await romeo.write(text('She is the hopeful lady'));
        await romeo.composer().pressSequentially(`@${juliet.account.name.slice(0, 3)}`);
        await romeo.page.getByRole('option', { name: juliet.account.name }).first().click();
        await romeo.composer().pressSequentially(first);
        await romeo.send();
        await romeo.message(first).waitFor();
        await romeo.write(second);
        await juliet.message(second).waitFor();
        await juliet.unread(hers).waitFor({ state: 'detached' });
        await juliet.act(juliet.message(first), 'action.unread');
        // In a room what names her is counted, and of two everything.
        const count = hers === room ? 1 : 2;
        const counts = (person: Person): Promise<void> => person.row(hers).locator(`[data-count="${count}"]`).waitFor();
        await juliet.home();
        await counts(juliet);
        await counts(other);
        await juliet.page.reload();
        await counts(juliet);
        await other.open(hers);
        await other.main.locator('[data-new]').waitFor();
        // What was in view for a moment is read, on every device.
        for (const one of [other, juliet]) await one.unread(hers).waitFor({ state: 'detached' });
        await other.home();
      }
      await other.page.context().close();
      for (const address of [accounts.romeo.address, room]) {
        await juliet.configure(address, 'menu.unread');
        await juliet.home();
        await juliet.unread(address).waitFor();
        // On a phone the menu is in the conversation, and to open that is to read it.
        if (juliet.isPhone) await juliet.open(address);
        else await juliet.configure(address, 'menu.read');
        await juliet.unread(address).waitFor({ state: 'detached' });
        await juliet.home();
      }
    },
  },
  {
    name: 'who has read it',
    async run({ romeo, juliet, accounts, nurse, room, text }) {
      const said = text('Ask for me tomorrow');
      await nurse.enter(room);
      await romeo.open(room);
      await juliet.open(room);
      await romeo.write(said);
      await juliet.message(said).waitFor();
      await juliet.unread(room).waitFor({ state: 'detached' });
      await nurse.shows(said);
      await until('Juliet is among those who have read it', async () => {
        await romeo.act(romeo.message(said), 'action.readers');
        await romeo.dialog.getByRole('heading', { level: 3 }).first().waitFor();
        const [read = '', unread = ''] = (await romeo.dialog.innerText()).split(romeo.like('readers.unread'));
        await romeo.closeAll();
        // A terminal says what it has got, and never what was looked at.
        return read.includes(juliet.account.name) && !read.includes(accounts.nurse.name) && unread.includes(accounts.nurse.name);
      });
    },
  },
  {
    name: 'drafts on every device',
    async run({ romeo, accounts, device, room, text }) {
      const half = text('Half a thought');
      await romeo.open(room);
      await romeo.composer().fill(half);
      await romeo.open(accounts.juliet.address);
      const other = await device(accounts.romeo);
      await other.open(room);
      await until('the draft is on the other device', async () => (await other.composer().inputValue()) === half);
      await other.composer().fill('');
      await other.home();
      await romeo.open(room);
      await until('the draft is gone here', async () => (await romeo.composer().inputValue()) === '');
      await other.page.context().close();
    },
  },
  {
    name: 'messages sent later',
    async run({ romeo, juliet, nurse, room, text }) {
      const [never, soon] = [text('Not now'), text('In a moment')];
      await nurse.enter(room);
      await romeo.open(room);
      await juliet.open(room);
      await romeo.composer().fill(never);
      await romeo.more('composer.later');
      await romeo.button('schedule.hour', {}, romeo.dialog).or(romeo.dialog.getByRole('button', { name: new RegExp(romeo.say('schedule.hour')) })).first().click();
      const waiting = romeo.main.getByRole('list', { name: romeo.say('composer.later') });
      await waiting.getByText(never).waitFor();
      await romeo.button('schedule.change', {}, waiting).click();
      await romeo.dialog.getByRole('button', { name: new RegExp(romeo.say('schedule.tomorrow')) }).click();
      await waiting.getByText(new RegExp(romeo.say('day.within.tomorrow'), 'i')).waitFor();
      await romeo.button('composer.unschedule', {}, waiting).click();
      await waiting.waitFor({ state: 'detached' });
      const caller = await Caller.open(romeo.page, romeo.account);
      const { scheduled } = await caller.call('scheduled.create', { conversation: room, at_ms: Date.now() + 3_600_000, text: soon });
      await waiting.getByText(soon).waitFor();
      await caller.call('scheduled.change', { id: scheduled.id, at_ms: Date.now() + 1_000 });
      await juliet.message(soon).waitFor();
      await waiting.waitFor({ state: 'detached' });
      await nurse.shows(soon);
    },
  },
  {
    name: 'search with operators, in Chinese too',
    async run({ romeo, juliet, nurse, accounts, room, text }) {
      const [latin, chinese, hers] = [text('pilgrim'), text('我们明天在图书馆开会讨论采购预算'), text('pilgrim')];
      const mark = latin.split(' ')[1] ?? '';
      await nurse.enter(room);
      await nurse.type(hers);
      await romeo.open(room);
      await romeo.message(hers).waitFor();
      await romeo.write(latin);
      await romeo.write(chinese);
      await romeo.write(`https://example.org/${mark}`);
      const found = async (words: string, text: string, others: string[] = []): Promise<void> => {
        const panel = await juliet.beside(room, `search=${encodeURIComponent(words)}`);
        await until('the address is searched for', async () => (await panel.getByRole('combobox').inputValue()) === words);
        const article = (held: string) => panel.locator('article', { hasText: held }).first();
        await article(text).waitFor();
        for (const other of others) await article(other).waitFor({ state: 'detached' });
      };
      await juliet.open(room);
      await found(latin, latin, [hers, chinese]);
      await until('the words are marked', () => juliet.page.evaluate(() => (CSS.highlights.get('found')?.size ?? 0) > 0));
      await found('图书', chinese, [latin]);
      await found('采购 预算', chinese, [latin]);
      await found(`pilgrim from:${accounts.nurse.address}`, hers, [latin]);
      const field = juliet.panel.getByRole('combobox');
      await field.fill(`pilgrim from:${accounts.nurse.name.slice(0, 4)}`);
      await juliet.panel.getByRole('option', { name: accounts.nurse.name }).waitFor();
      await field.press('Enter');
      await until('the address takes the place of the name', async () => (await field.inputValue()) === `pilgrim from:${accounts.nurse.address} `);
      await juliet.panel.locator('article', { hasText: hers }).first().waitFor();
      await found(`has:link ${mark}`, mark);
      await found(`in:${room} ${latin}`, latin);
      await found(`after:2020-01-01 ${latin}`, latin);
      const panel = await juliet.beside(room, `search=${encodeURIComponent(`before:2020-01-01 ${latin}`)}`);
      await panel.getByText(juliet.say('search.none')).waitFor();
      const called = text('hither');
      await romeo.composer().pressSequentially(`@${juliet.account.name.slice(0, 3)}`);
      await romeo.page.getByRole('option', { name: juliet.account.name }).first().click();
      await romeo.composer().pressSequentially(`${called} ${mark}`);
      await romeo.send();
      // On a phone the search lies over it.
      await juliet.message(called).waitFor({ state: 'attached' });
      await found(`is:mention ${mark}`, called, [latin]);
      // Elsewhere it is not, unless one looks everywhere.
      await juliet.open(romeo.account.address);
      const elsewhere = await juliet.beside(romeo.account.address, `search=${encodeURIComponent(latin)}`);
      await elsewhere.getByText(juliet.say('search.none')).waitFor();
      await elsewhere.getByText(juliet.say('search.all'), { exact: true }).click();
      await elsewhere.locator('article', { hasText: latin }).first().waitFor();
      // What was found leads to its place.
      await juliet.panel.locator('article', { hasText: latin }).getByRole('button').first().click();
      await juliet.message(latin).waitFor();
      // Beside it stays the list, where there is room.
      if (!juliet.isPhone) await juliet.panel.locator('article', { hasText: latin }).first().waitFor();
    },
  },
  {
    name: 'quick switcher',
    async run({ romeo, juliet, accounts, room, roomName, text }) {
      const said = text('Queen Mab');
      await romeo.open(room);
      await romeo.write(said);
      const jump = async (words: string, option: string | RegExp): Promise<void> => {
        await romeo.page.keyboard.press('Control+k');
        await romeo.dialog.getByRole('combobox').fill(words);
        await romeo.dialog.getByRole('option', { name: option }).first().click();
        await romeo.dialog.waitFor({ state: 'detached' });
      };
      await jump(juliet.account.name.slice(0, 4), juliet.account.name);
      await romeo.main.getByRole('heading', { level: 1, name: juliet.account.name }).waitFor();
      await jump(roomName, roomName);
      await romeo.main.getByRole('heading', { level: 1, name: roomName }).waitFor();
      await romeo.go(`#/c/${encodeURIComponent(accounts.nurse.address)}`);
      await jump(said, new RegExp(`^${said}`));
      await romeo.main.getByRole('heading', { level: 1, name: roomName }).waitFor();
      await romeo.message(said).waitFor();
      await jump(said, romeo.say('switcher.search', { text: said }));
      await romeo.panel.locator('article', { hasText: said }).first().waitFor();
    },
  },
  {
    name: 'links to messages',
    async run({ romeo, juliet, room, text }) {
      const said = text('This way');
      await romeo.open(room);
      await romeo.write(said);
      await romeo.act(romeo.message(said), 'action.link');
      let link = '';
      await until('the link is copied', async () => {
        link = await romeo.page.evaluate(() => navigator.clipboard.readText());
        return /#\/c\/.*at=\d+/.test(link);
      });
      await juliet.home();
      await juliet.go(new URL(link).hash);
      await juliet.message(said).waitFor();
      await until('the message has the focus', () => juliet.page.evaluate((t) => document.activeElement?.textContent?.includes(t) ?? false, said));
    },
  },
];
