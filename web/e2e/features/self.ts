// What people set for themselves: profile, look, notifications, devices, password; invitations and the end of a session.
import { Caller } from '../caller';
import { Profanity } from '../profanity';
import type { Feature } from '../stage';
import { check, until } from '../wait';

const PICTURE = 'iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAALUlEQVR4nGM8EWXDQEvARFPTRy0YtWDUglELRi0YtWDUglELRi0YtWDUAioCACK+AZ4xAAKmAAAAAElFTkSuQmCC';

export const SELF: readonly Feature[] = [
  {
    name: 'profile and picture',
    async run({ romeo, juliet, text }) {
      const title = text('Lover');
      const dialog = await romeo.settings('settings.profile');
      await dialog.getByLabel(romeo.say('person.title'), { exact: true }).fill(title);
      await romeo.button('ui.save', {}, dialog).click();
      await romeo.page.getByText(romeo.say('settings.saved'), { exact: true }).filter({ visible: true }).first().waitFor();
      await dialog.locator('input[type="file"]').setInputFiles({ name: 'me.png', mimeType: 'image/png', buffer: Buffer.from(PICTURE, 'base64') });
      await until('the picture is there', () => romeo.page.evaluate(() => [...document.querySelectorAll<HTMLImageElement>('dialog img')].some((i) => i.naturalWidth > 0)));
      await romeo.closeAll();
      const details = await juliet.beside(romeo.account.address, 'panel=details');
      await details.getByText(title).waitFor();
      await until('Juliet sees the picture', () => details.evaluate((element) => [...element.querySelectorAll('img')].some((i) => i.naturalWidth > 0)));
    },
  },
  {
    name: 'theme, density and language',
    async run({ romeo, device, accounts }) {
      const dialog = await romeo.settings('settings.look');
      const choose = (key: Parameters<typeof romeo.say>[0]): Promise<void> => dialog.getByText(romeo.say(key), { exact: true }).click();
      const held = (name: 'theme' | 'density', value: string, person = romeo): Promise<void> => until(`${name} is ${value}`, () => person.page.evaluate(([name, value]) => document.documentElement.dataset[name as 'theme'] === value, [name, value] as const));
      await choose('theme.contrast');
      await held('theme', 'contrast');
      await choose('density.compact');
      await held('density', 'compact');
      // They follow one to another device.
      const other = await device(accounts.romeo);
      await held('theme', 'contrast', other);
      await held('density', 'compact', other);
      await other.page.context().close();
      const foreign = romeo.look.language === 'en' ? 'zh-CN' : 'en';
      await dialog.getByLabel(romeo.say('settings.language')).selectOption(foreign);
      await until('the page speaks the other language', () => romeo.page.evaluate((tag) => document.documentElement.lang === tag, foreign));
      await dialog.locator('select').last().selectOption('');
      await until('the page speaks as the browser does', () => romeo.page.evaluate((tag) => document.documentElement.lang === tag, romeo.look.language));
      await choose('theme.system');
      await until('the theme is the system’s', () => romeo.page.evaluate(() => document.documentElement.dataset.theme === undefined));
      await choose('density.comfortable');
      await held('density', 'comfortable');
      await romeo.closeAll();
    },
  },
  {
    name: 'what Enter does, where conversations open, when one is away',
    async run({ romeo, juliet, room, text }) {
      const dialog = await romeo.settings('settings.writing');
      await dialog.getByLabel(romeo.say('settings.enterSends')).click();
      await dialog.getByText(romeo.say('settings.openAtNewest'), { exact: true }).click();
      await dialog.getByLabel(romeo.say('settings.autoAway')).selectOption('5');
      await romeo.closeAll();
      await romeo.open(room);
      const [first, second] = [text('Line'), text('another')];
      await romeo.composer().fill(first);
      await romeo.composer().press('Enter');
      await romeo.composer().pressSequentially(second);
      check((await romeo.composer().inputValue()) === `${first}\n${second}`, 'Enter sent what it was not to send.');
      await romeo.composer().press('Control+Enter');
      await juliet.open(room);
      await juliet.message(second).waitFor();
      const again = await romeo.settings('settings.writing');
      await again.getByLabel(romeo.say('settings.enterSends')).click();
      await again.getByText(romeo.say('settings.openAtRead'), { exact: true }).click();
      await romeo.closeAll();
      await romeo.open(room);
      const third = text('Enter sends');
      await romeo.composer().fill(third);
      await romeo.composer().press('Enter');
      await juliet.message(third).waitFor();
    },
  },
  {
    name: 'notifications: levels, keywords, quiet hours, by conversation',
    async run({ romeo, juliet, nurse, room, roomName, text }) {
      const word = text('plague').replaceAll(' ', '');
      let dialog = await romeo.settings('settings.notifications');
      await dialog.getByRole('textbox', { name: romeo.say('notify.keywordsLabel') }).fill(word);
      await romeo.page.keyboard.press('Enter');
      await romeo.button('ui.remove', { name: word }, dialog).waitFor();
      const desktop = dialog.getByLabel(romeo.say('notify.desktop'));
      await until('one is told at first', () => desktop.isChecked());
      await desktop.click();
      await until('one is told no more', async () => !(await desktop.isChecked()));
      await desktop.click();
      await until('one is told again', () => desktop.isChecked());
      await dialog.getByLabel(romeo.say('notify.quietOn')).click();
      await dialog.getByRole('group', { name: romeo.say('notify.days') }).waitFor();
      await dialog.getByLabel(romeo.say('notify.quietOn')).click();
      await dialog.getByRole('group', { name: romeo.say('notify.days') }).waitFor({ state: 'detached' });
      await dialog.getByRole('searchbox').fill(roomName);
      await dialog.getByLabel(romeo.say('notify.for', { name: roomName })).selectOption('nothing');
      await romeo.closeAll();
      // A word that was chosen counts as one's name, in every room.
      await romeo.page.evaluate(() => {
        const shown: string[] = [];
        const show = (title: string, options?: NotificationOptions): Promise<void> => Promise.resolve(void shown.push(`${title}: ${options?.body ?? ''}`));
        ServiceWorkerRegistration.prototype.showNotification = show;
        Object.assign(window, { shown });
        Object.defineProperty(document, 'hasFocus', { configurable: true, value: () => false });
        dispatchEvent(new Event('blur'));
      });
      const shown = (): Promise<string[]> => romeo.page.evaluate(() => (window as unknown as { shown: string[] }).shown);
      await romeo.go('#/people');
      const [silent, loud] = [text('Nothing'), text('A curse')];
      await juliet.open(room);
      await juliet.write(`${silent} ${word}`);
      // It is there, and called nobody.
      await romeo.unread(room).waitFor({ state: 'attached' });
      dialog = await romeo.settings('settings.notifications');
      await dialog.getByLabel(romeo.say('notify.for', { name: roomName })).selectOption('default');
      await dialog.getByLabel(romeo.say('notify.for', { name: roomName })).waitFor({ state: 'detached' });
      await romeo.closeAll();
      await nurse.enter(room);
      await nurse.type(`${loud} ${word}`);
      await until('a notification is shown', async () => (await shown()).some((line) => line.includes(loud)));
      check(!(await shown()).some((line) => line.includes(silent)), 'A room of which nothing was to be told was told of.');
      dialog = await romeo.settings('settings.notifications');
      await romeo.button('ui.remove', { name: word }, dialog).click();
      await romeo.closeAll();
      await romeo.page.reload();
      await romeo.side.waitFor({ state: 'attached' });
    },
  },
  {
    name: 'devices: signing out another, of any kind',
    async run({ juliet, accounts, device, server }) {
      const second = await device(accounts.juliet);
      const terminal = await Profanity.open(accounts.juliet, server.xmpp);
      try {
        const dialog = await juliet.settings('settings.devices');
        await dialog.getByText(juliet.say('devices.this')).waitFor();
        const others = dialog.locator('li:not(.current)');
        const end = async (face: Parameters<typeof juliet.say>[0]): Promise<void> => {
          const row = others.filter({ hasText: juliet.say(face) }).filter({ hasText: juliet.say('devices.online') }).last();
          await row.getByRole('button').click();
          await juliet.button('devices.end', {}, juliet.page.getByRole('dialog').last()).click();
        };
        await end('devices.face.xmpp');
        await terminal.shows(/disconnect|lost|logged out|closed/i);
        // The page of the script's own calls is a device as well: all others are ended at once.
        await juliet.button('devices.endOthers', {}, dialog).or(others.filter({ hasText: juliet.say('devices.online') }).last().getByRole('button')).first().click();
        await juliet.button('devices.end', {}, juliet.page.getByRole('dialog').last()).click();
        await second.page.getByLabel(second.say('signin.password'), { exact: true }).waitFor();
        await juliet.closeAll();
        await juliet.side.waitFor({ state: 'attached' });
      } finally {
        terminal.close();
      }
    },
  },
  {
    name: 'an invitation, a password of one’s own, signing out',
    async run({ server, stranger, text }) {
      const made = await server.admin(['invite', 'create']);
      const link = /https?:\/\/\S+/.exec(made)?.[0] ?? '';
      const token = link.split('/').at(-1) ?? '';
      const user = text('benvolio').replaceAll(' ', '');
      const guest = await stranger({ address: `${user}@localhost`, password: 'benvolio-secret-1', name: user }, `${server.url}#/invite/${encodeURIComponent(token)}`);
      const { page } = guest;
      // Who was refused at the door before is not told so again.
      await page.goto(server.url);
      await page.getByLabel(guest.say('signin.address')).fill(user);
      await page.getByLabel(guest.say('signin.password'), { exact: true }).fill('anything');
      await guest.button('signin.submit').click();
      const wrong = page.getByText(guest.say('signin.wrong'));
      await wrong.waitFor();
      await guest.go(`#/invite/${encodeURIComponent(token)}`);
      await page.getByLabel(guest.say('invite.called')).fill(`Benvolio ${user}`);
      await page.getByLabel(guest.say('invite.name')).fill(user);
      await wrong.waitFor({ state: 'detached' });
      check((await page.getByText(guest.say('signin.expired')).count()) === 0, 'An invitation says that a visit has expired.');
      await page.getByLabel(guest.say('signin.password'), { exact: true }).fill('benvolio-secret-1');
      await page.getByLabel(guest.say('invite.again')).fill('benvolio-secret-1');
      await guest.button('invite.submit').click();
      await guest.list.waitFor();
      await page.getByRole('button', { name: `Benvolio ${user}` }).first().waitFor();
      const dialog = await guest.settings('settings.password');
      await dialog.getByLabel(guest.say('settings.oldPassword')).fill('benvolio-secret-1');
      await dialog.getByLabel(guest.say('settings.newPassword')).fill('benvolio-secret-2');
      await dialog.getByLabel(guest.say('invite.again')).fill('benvolio-secret-2');
      await guest.button('settings.passwordSet', {}, dialog).click();
      await page.getByText(guest.say('settings.passwordChanged')).filter({ visible: true }).first().waitFor();
      await guest.closeAll();
      // Where the old password does nothing any more, the new one does; and a terminal takes it too.
      const terminal = await Profanity.open({ address: `${user}@localhost`, password: 'benvolio-secret-2', name: user }, server.xmpp);
      terminal.close();
      await page.locator('.me').click();
      await guest.choose(guest.say('rail.signOut'));
      await guest.button('signin.submit').waitFor();
      await page.reload();
      await guest.button('signin.submit').waitFor();
      // A visit that is not to be remembered ends with its tab.
      await page.getByLabel(guest.say('signin.remember')).click();
      await page.getByLabel(guest.say('signin.address')).fill(user);
      await page.getByLabel(guest.say('signin.password'), { exact: true }).fill('benvolio-secret-2');
      await guest.button('signin.submit').click();
      await guest.list.waitFor();
      const next = await page.context().newPage();
      await next.goto(server.url);
      await next.getByRole('button', { name: guest.say('signin.submit'), exact: true }).waitFor();
      await next.close();
    },
  },
  {
    name: 'notes to oneself',
    async run({ romeo, text }) {
      const note = text('Apothecary');
      const caller = await Caller.open(romeo.page, romeo.account);
      await caller.call('conversation.open', { conversation: romeo.account.address });
      await romeo.open(romeo.account.address);
      await romeo.main.getByRole('heading', { level: 1, name: romeo.say('conversation.self') }).waitFor();
      await romeo.write(note);
      await romeo.message(note).waitFor();
    },
  },
];
