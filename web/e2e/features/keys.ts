// Everything that is done with the keyboard alone; the focus is somewhere sensible after each of it.
import type { Person } from '../person';
import type { Feature } from '../stage';
import { check, until } from '../wait';

/** What has the focus, as somebody would name it who hears the page. */
const focus = (person: Person): Promise<{ tag: string; name: string; region: string; message: string }> =>
  person.page.evaluate(() => {
    const element = document.activeElement as HTMLElement | null;
    const region = element?.closest<HTMLElement>('dialog, [data-region]');
    return {
      tag: element?.tagName.toLowerCase() ?? '',
      name: element?.getAttribute('aria-label') ?? element?.textContent?.trim().slice(0, 60) ?? '',
      region: region?.dataset.region ?? region?.tagName.toLowerCase() ?? '',
      message: element?.dataset.message ?? '',
    };
  });

export const KEYS: readonly Feature[] = [
  {
    name: 'keys: regions, conversations, panels, help',
    async run({ romeo, juliet, room, accounts, text }) {
      const { page } = romeo;
      const press = async (key: string): Promise<void> => {
        await page.keyboard.press(key);
        await romeo.keepsFocus(key);
      };
      await romeo.open(room);
      await romeo.composer().focus();
      const seen: string[] = [];
      const regions = romeo.isPhone ? ['header', 'timeline', 'composer'] : ['sidebar', 'header', 'timeline', 'composer', 'rail'];
      for (let i = 0; i < regions.length; i += 1) {
        await press('F6');
        seen.push((await focus(romeo)).region);
      }
      check(regions.every((region) => seen.includes(region)), `F6 went to ${seen.join(', ')}`);
      await press('Shift+F6');
      await press('Control+/');
      await romeo.dialog.getByRole('searchbox').fill(romeo.say('keys.regions').slice(0, 4));
      await romeo.dialog.getByText('F6').first().waitFor();
      // The first empties the field.
      await press('Escape');
      await press('Escape');
      await romeo.dialog.waitFor({ state: 'detached' });
      await romeo.composer().focus();
      await press('Control+f');
      await until('Ctrl+F leads into the panel', async () => (await focus(romeo)).region === 'panel');
      await press('Escape');
      await until('Escape leads back to writing', async () => (await focus(romeo)).region === 'composer');
      const before = page.url();
      if (!romeo.isPhone) {
        await press('Alt+ArrowDown');
        await until('another conversation is open', async () => page.url() !== before);
        // What was unread is read by being opened, and may stand elsewhere in the list then: what is above it counts.
        const list = page.locator('[data-region="sidebar"] a[data-conversation]');
        const order = (): Promise<(string | undefined)[]> =>
          list.evaluateAll((links) => links.map((link) => (link as HTMLElement).dataset.conversation));
        const opened = (all: (string | undefined)[]): number =>
          all.findIndex((address) => address !== undefined && page.url().includes(encodeURIComponent(address)));
        let resting = await order();
        await until('the list rests', async () => {
          const last = resting;
          await page.evaluate(() => new Promise((done) => requestIdleCallback(done)));
          resting = await order();
          return last.join() === resting.join();
        });
        const above = resting.at(opened(resting) - 1) ?? '';
        await press('Alt+ArrowUp');
        await until('the one above it is open', async () => page.url().includes(encodeURIComponent(above)));
        await romeo.open(accounts.nurse.address);
        await juliet.open(room);
        await juliet.write(text('Unread'));
        await romeo.unread(room).waitFor();
        // Others may be unread from what was played before: the key leads from one to the next.
        await until('the unread one is open', async () => {
          await press('Alt+Shift+ArrowDown');
          await romeo.composer().waitFor();
          return page.url().includes(encodeURIComponent(room));
        });
      }
    },
  },
  {
    name: 'keys: the next that is unread, direct or not, and search',
    async run({ romeo, juliet, room, text }) {
      const { page } = romeo;
      const press = async (key: string): Promise<void> => {
        await page.keyboard.press(key);
        await romeo.keepsFocus(key);
      };
      const isOpen = (address: string): boolean => page.url().includes(encodeURIComponent(address));
      const leads = (key: string, address: string): Promise<void> =>
        // Others may be unread from what was played before: the key leads from one to the next.
        until(`${key} leads to ${address}`, async () => {
          await press(key);
          await until('the message that is read has the focus', async () => (await focus(romeo)).region === 'timeline');
          return isOpen(address);
        });
      await romeo.open(room);
      await romeo.write(text('Speak'));
      await juliet.open(romeo.account.address);
      await juliet.write(text('Thou knowest'));
      await romeo.unread(juliet.account.address).waitFor({ state: 'attached' });
      // While one writes they are letters.
      await romeo.composer().focus();
      for (const key of ['n', 'p', '/', '>', 'r']) await press(key);
      check((await romeo.composer().inputValue()) === 'np/>r', 'A single key was taken from what is written.');
      await press('Escape');
      check((await focus(romeo)).region === 'composer', 'Escape left what is being written.');
      await romeo.composer().fill('');
      await press('Escape');
      await until('Escape leads from the empty field to the messages', async () => (await focus(romeo)).region === 'timeline');
      await leads('p', juliet.account.address);
      await romeo.unread(juliet.account.address).waitFor({ state: 'detached' });
      await press('>');
      await until('answering leads to the field', async () => (await focus(romeo)).region === 'composer');
      await romeo.button('composer.cancelReply').waitFor();
      await press('Escape');
      await press('Escape');
      await juliet.open(room);
      await juliet.write(text('The mask of night'));
      await romeo.unread(room).waitFor({ state: 'attached' });
      await leads('n', room);
      await romeo.unread(room).waitFor({ state: 'detached' });
      await press('/');
      await until('the slash leads into the search', async () => (await focus(romeo)).tag === 'input' && (await focus(romeo)).region === 'panel');
      await press('Escape');
      await until('Escape leads back to writing', async () => (await focus(romeo)).region === 'composer');
      // Whoever wants none of them says so.
      const dialog = await romeo.settings('settings.writing');
      const keys = dialog.getByLabel(romeo.say('settings.singleKeys'));
      await keys.click();
      await until('single keys are off', async () => !(await keys.isChecked()));
      await romeo.closeAll();
      await romeo.message('').focus();
      await press('/');
      check((await romeo.panel.count()) === 0, 'A single key did something that it was not to do.');
      await romeo.settings('settings.writing');
      await keys.click();
      await until('single keys are on', () => keys.isChecked());
      await romeo.closeAll();
    },
  },
  {
    name: 'keys: on messages, and while writing',
    async run({ romeo, juliet, room, text }) {
      const { page } = romeo;
      const [hers, ours] = [text('Sweet'), text('So shall')];
      await juliet.open(room);
      await romeo.open(room);
      await juliet.write(hers);
      await romeo.write(ours);
      await romeo.composer().focus();
      await page.keyboard.press('Shift+ArrowUp');
      await romeo.main.getByText(juliet.account.name, { exact: true }).last().waitFor();
      await page.keyboard.press('Escape');
      await romeo.keepsFocus('Escape from an answer');
      const message = romeo.message(hers);
      const on = async (key: string): Promise<void> => {
        await message.focus();
        await page.keyboard.press(key);
      };
      await romeo.message(ours).focus();
      await page.keyboard.press('ArrowUp');
      await until('the arrow leads to the message above', async () => (await focus(romeo)).name.includes(hers));
      await on('Shift+P');
      await message.getByText(romeo.say('message.pinnedBy', { name: romeo.account.name })).waitFor();
      await on('Shift+P');
      await message.getByText(romeo.like('message.pinnedBy')).waitFor({ state: 'detached' });
      await on('s');
      await message.getByText(romeo.say('message.savedMark')).waitFor();
      await on('s');
      await message.getByText(romeo.say('message.savedMark')).waitFor({ state: 'detached' });
      await romeo.keepsFocus('s');
      await on('c');
      await until('the text is copied', async () => (await page.evaluate(() => navigator.clipboard.readText())) === hers);
      await on('e');
      await page.locator('.popover .cell').first().waitFor();
      await page.keyboard.press('Escape');
      await romeo.keepsFocus('Escape from reactions');
      await on('t');
      await romeo.panel.waitFor();
      await page.keyboard.press('Escape');
      await romeo.panel.waitFor({ state: 'detached' });
      await romeo.keepsFocus('Escape from a thread');
      await on('r');
      await until('answering leads to the field', async () => (await focus(romeo)).region === 'composer');
      await page.keyboard.press('Escape');
      await romeo.act(romeo.message(ours), 'action.recall');
      await romeo.button('action.recall', {}, romeo.dialog).click();
      await romeo.message(ours).waitFor({ state: 'detached' });
      await romeo.keepsFocus('taking back');
      await on('u');
      await romeo.keepsFocus('u');
    },
  },
  {
    name: 'widths of the panes',
    async run({ romeo, room }) {
      await romeo.open(room);
      const line = romeo.page.getByRole('separator', { name: romeo.say('shell.sideWidth') });
      if (romeo.isPhone) {
        check((await line.count()) === 0 || !(await line.isVisible()), 'A phone shows one pane at a time, and has no line between two.');
        return;
      }
      const width = (): Promise<number> => romeo.page.evaluate(() => document.querySelector('[data-region="sidebar"]')?.clientWidth ?? 0);
      const before = await width();
      await line.focus();
      await romeo.page.keyboard.press('ArrowRight');
      await until('the list is wider', async () => (await width()) > before);
      const wide = await width();
      await romeo.page.reload();
      await romeo.message('', romeo.main).waitFor();
      await until('the width is the same after a reload', async () => (await width()) === wide);
      const box = await line.boundingBox();
      if (!box) throw new Error('The line is not in view.');
      await romeo.page.mouse.move(box.x + box.width / 2, box.y + 200);
      await romeo.page.mouse.down();
      await romeo.page.mouse.move(box.x - 40, box.y + 200, { steps: 4 });
      await romeo.page.mouse.up();
      await until('the list is narrower', async () => (await width()) < wide);
      await line.focus();
      await romeo.page.keyboard.press('Enter');
      await until('the list is as it was', async () => (await width()) === before);
    },
  },
];
