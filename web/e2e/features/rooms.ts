// Rooms, who is in them and what they may do there; people, contacts and presence.
import { Caller } from '../caller';
import type { Feature } from '../stage';
import { check, until } from '../wait';

export const ROOMS: readonly Feature[] = [
  {
    name: 'making, finding and joining rooms',
    async run({ romeo, juliet, nurse, text }) {
      const [name, topic, said] = [text('Orchard'), text('By night'), text('He jests at scars')];
      await romeo.new('sidebar.create');
      await romeo.dialog.getByLabel(romeo.say('room.name'), { exact: true }).fill(name);
      await romeo.dialog.getByLabel(romeo.say('room.topicOptional')).fill(topic);
      await romeo.button('room.create', {}, romeo.dialog).click();
      await romeo.main.getByRole('heading', { level: 1, name }).waitFor();
      await romeo.write(said);
      await juliet.new('sidebar.browse');
      await juliet.dialog.getByRole('searchbox').fill(name);
      await juliet.button('sidebar.join', {}, juliet.dialog.locator('li', { hasText: name })).click();
      await juliet.message(said).waitFor();
      await juliet.main.locator('[data-region="header"]').getByText(topic).waitFor();
      const address = decodeURIComponent(new URL(juliet.page.url()).hash.slice('#/c/'.length));
      await nurse.enter(address);
      await nurse.shows(said);
      await nurse.shows(topic);
      await juliet.configure(address, 'menu.leave');
      await juliet.row(address).waitFor({ state: 'detached' });
      const panel = await romeo.beside(address, 'panel=details');
      await romeo.button('room.delete', {}, panel).click();
      await romeo.button('room.delete', {}, romeo.dialog).click();
      await romeo.row(address).waitFor({ state: 'detached' });
      await nurse.shows(/destroyed/i);
    },
  },
  {
    name: 'members, roles and invitations',
    async run({ romeo, juliet, nurse, accounts, text }) {
      const name = text('Cell');
      await romeo.new('sidebar.create');
      await romeo.dialog.getByLabel(romeo.say('room.name'), { exact: true }).fill(name);
      await romeo.dialog.getByText(romeo.say('room.private'), { exact: true }).click();
      await romeo.button('room.create', {}, romeo.dialog).click();
      await romeo.main.getByRole('heading', { level: 1, name }).waitFor();
      const address = decodeURIComponent(new URL(romeo.page.url()).hash.slice('#/c/'.length));
      await juliet.home();
      await (await romeo.beside(address, 'panel=details')).getByText(romeo.like('room.private')).first().waitFor();
      let panel = await romeo.beside(address, 'panel=members');
      await romeo.button('members.invite', {}, panel).click();
      for (const account of [accounts.juliet, accounts.nurse]) {
        await panel.getByRole('combobox').fill(account.name);
        await panel.getByRole('option', { name: account.name }).first().click();
      }
      await romeo.button('members.invite', {}, panel).click();
      await nurse.type('/win 1');
      await nurse.shows(address.split('@')[0] ?? '');
      // Whoever is invited into a room for members belongs to it, and says whether he wants to see it.
      const invitation = juliet.list.getByRole('group', { name: juliet.say('sidebar.invitation') }).filter({ hasText: name });
      await invitation.or(juliet.row(address)).first().waitFor();
      if ((await invitation.count()) > 0) await juliet.button('sidebar.join', {}, invitation).click();
      else await juliet.open(address);
      await juliet.main.getByRole('heading', { level: 1, name }).waitFor();
      panel = await romeo.beside(address, 'panel=members');
      const member = panel.locator('li', { hasText: juliet.account.name });
      const menu = async (item: Parameters<typeof romeo.say>[0]): Promise<void> => {
        await romeo.button('members.menu', { name: juliet.account.name }, member).click();
        await romeo.choose(romeo.say(item));
      };
      await menu('role.admin');
      await member.getByText(romeo.say('role.admin'), { exact: true }).waitFor();
      // An admin may change the room.
      const details = await juliet.beside(address, 'panel=details');
      await juliet.button('room.edit', {}, details).waitFor();
      await menu('role.member');
      await member.getByText(romeo.say('role.admin'), { exact: true }).waitFor({ state: 'detached' });
      await juliet.button('room.edit', {}, details).waitFor({ state: 'detached' });
      await nurse.enter(address);
      const said = text('Holy Franciscan');
      await nurse.type(said);
      await romeo.open(address);
      await romeo.message(said).waitFor();
      panel = await romeo.beside(address, 'panel=members');
      await menu('members.ban');
      await juliet.row(address).waitFor({ state: 'detached' });
      // She was at its details, which are gone with it.
      await juliet.main.getByText(juliet.say('conversation.missing')).waitFor();
      await juliet.button('conversation.back', {}, juliet.main).click();
      await juliet.list.waitFor();
      await panel.locator('li', { hasText: juliet.account.name }).getByText(romeo.say('role.banned')).waitFor();
      await menu('members.unban');
      await nurse.shows(said);
      await romeo.button('members.menu', { name: accounts.nurse.name }, panel).click();
      await romeo.choose(romeo.say('members.remove'));
      await panel.locator('li', { hasText: accounts.nurse.name }).waitFor({ state: 'detached' });
      // Who is no member any more and not kicked (status 321) is shown no reason by profanity: it closes the window of the room.
      await nurse.shows('Profanity. Type /help');
    },
  },
  {
    name: 'announcements only, and archived rooms',
    async run({ romeo, juliet, nurse, accounts, text }) {
      const caller = await Caller.open(romeo.page, romeo.account);
      const { room } = await caller.call('room.create', { name: text('Prince'), public: true, members_only: false, members: [accounts.juliet.address, accounts.nurse.address] });
      const { address } = room;
      await juliet.home();
      await juliet.row(address).waitFor();
      await nurse.enter(address);
      const details = await romeo.beside(address, 'panel=details');
      await details.getByLabel(romeo.say('room.announcementsSwitch')).click();
      await juliet.go(`#/c/${encodeURIComponent(address)}`);
      await juliet.main.getByText(juliet.say('conversation.announcements')).waitFor();
      const decree = text('What ho');
      await romeo.open(address);
      await romeo.write(decree);
      await juliet.message(decree).waitFor();
      await nurse.shows(decree);
      const refused = text('May I');
      await nurse.type(refused);
      await nurse.shows(/voice|not allowed|forbidden|error/i);
      check((await romeo.main.locator('article', { hasText: refused }).count()) === 0, 'Somebody without a voice was heard.');
      await romeo.beside(address, 'panel=details');
      await details.getByLabel(romeo.say('room.announcementsSwitch')).click();
      await juliet.composer().waitFor();
      await details.getByLabel(romeo.say('room.archivedSwitch')).click();
      await juliet.main.getByText(juliet.say('conversation.archived')).waitFor();
      await juliet.message(decree).waitFor();
      await details.getByLabel(romeo.say('room.archivedSwitch')).click();
      await juliet.composer().waitFor();
    },
  },
  {
    name: 'a group of three',
    async run({ romeo, juliet, nurse, accounts, text }) {
      await romeo.new('sidebar.start');
      const chooser = romeo.dialog.getByRole('combobox', { name: romeo.say('start.with') });
      for (const account of [accounts.juliet, accounts.nurse]) {
        await chooser.fill(account.name);
        await romeo.dialog.getByRole('option', { name: account.name }).first().click();
      }
      await romeo.button('start.group', {}, romeo.dialog).click();
      await romeo.main.getByRole('heading', { level: 1, name: /Romeo.*Juliet.*Angelica/ }).waitFor();
      const address = decodeURIComponent(new URL(romeo.page.url()).hash.slice('#/c/'.length));
      const [ours, hers] = [text('We three'), text('Aye')];
      await romeo.write(ours);
      await juliet.home();
      await juliet.row(address).waitFor();
      await juliet.open(address);
      await juliet.message(ours).waitFor();
      await nurse.enter(address);
      await nurse.shows(ours);
      await nurse.type(hers);
      await romeo.message(hers).waitFor();
      // The room was told before the others had come to it.
      await romeo.main.locator('[data-region="header"]').getByRole('button', { name: romeo.like('header.members', { n: 3 }) }).waitFor();
    },
  },
  {
    name: 'the name, topic and description of a room',
    async run({ romeo, juliet, nurse, room, text }) {
      const [topic, description] = [text('Feuds'), text('Of the streets')];
      await nurse.enter(room);
      await juliet.open(room);
      const details = await romeo.beside(room, 'panel=details');
      await romeo.button('room.edit', {}, details).click();
      await details.getByLabel(romeo.say('room.topic')).fill(topic);
      await details.getByLabel(romeo.say('room.description')).fill(description);
      await romeo.button('ui.save', {}, details).click();
      await details.getByText(description).waitFor();
      await juliet.main.locator('[data-region="header"]').getByText(topic).waitFor();
      await nurse.shows(topic);
      const renamed = text('Subject');
      await nurse.type(`/subject set ${renamed}`);
      // Whether he may is the room's to say: he is a member, and members may not unless the room lets them.
      await nurse.shows(/subject/i);
    },
  },
  {
    name: 'people, contacts and requests',
    async run({ romeo, nurse, accounts }) {
      await romeo.go('#/people');
      const people = romeo.main;
      await people.getByRole('searchbox').fill('Angel');
      const row = people.locator('.row', { hasText: accounts.nurse.name }).first();
      await row.waitFor();
      await romeo.button('message.talkTo', { name: accounts.nurse.name }, row).click();
      await romeo.main.getByRole('heading', { level: 1, name: accounts.nurse.name }).waitFor();
      // They may have been contacts before, in another look.
      const caller = await Caller.open(romeo.page, romeo.account);
      const part = async (): Promise<void> => {
        await caller.call('contact.remove', { address: accounts.nurse.address }).catch(() => undefined);
        await nurse.type('/win 1');
        await nurse.type(`/roster remove ${romeo.account.address}`);
        await nurse.type('/clear');
      };
      await part();
      // She asks, and whoever accepts asks in turn.
      await nurse.type(`/sub request ${romeo.account.address}`);
      await romeo.go('#/people');
      await romeo.main.getByText(romeo.say('people.requests')).waitFor();
      await romeo.button('people.accept').click();
      await romeo.main.getByText(romeo.say('people.contacts')).waitFor();
      await romeo.main.getByText(romeo.say('people.requests')).waitFor({ state: 'detached' });
      await nurse.shows(/authorization request/);
      // He asks; what she would ask in turn is granted already.
      await part();
      const details = await romeo.beside(accounts.nurse.address, 'panel=details');
      await romeo.button('details.addContact', {}, details).click();
      await nurse.shows(/authorization request/);
      await nurse.type(`/sub allow ${romeo.account.address}`);
      await romeo.go(`#/c/${encodeURIComponent(accounts.nurse.address)}`);
      await romeo.main.locator('[data-region="header"] p').getByText(romeo.say('presence.online')).waitFor();
    },
  },
  {
    name: 'presence of colleagues who are no contacts',
    async run({ server, stranger, romeo, text }) {
      const paris = await stranger(await server.user(text('paris').replaceAll(' ', ''), 'Count Paris'));
      await romeo.go(`#/c/${encodeURIComponent(paris.account.address)}`);
      const about = romeo.main.locator('[data-region="header"] p');
      await romeo.main.getByRole('heading', { level: 1, name: 'Count Paris' }).waitFor();
      check(!((await about.textContent().catch(() => '')) ?? '').includes(romeo.say('presence.online')), 'Somebody who has never been there is online.');
      await paris.signIn();
      await about.getByText(romeo.say('presence.online')).waitFor();
      await paris.page.context().close();
    },
  },
  {
    name: 'the card of somebody',
    async run({ romeo, nurse, accounts, room, text }) {
      await romeo.open(room);
      await romeo.write(text('Where is she'));
      await nurse.enter(room);
      const said = text('Here');
      await nurse.type(said);
      await romeo.message(said).getByRole('button', { name: romeo.say('card.more', { name: accounts.nurse.name }) }).click();
      const card = romeo.page.locator('.popover').getByRole('article', { name: accounts.nurse.name });
      await card.getByText(accounts.nurse.address).waitFor();
      await romeo.button('card.message', {}, card).click();
      await romeo.main.getByRole('heading', { level: 1, name: accounts.nurse.name }).waitFor();
    },
  },
  {
    name: 'presence with a text and an end',
    async run({ romeo, juliet, nurse, accounts, text }) {
      const caller = await Caller.open(romeo.page, romeo.account);
      const hers = await Caller.open(juliet.page, juliet.account);
      await hers.call('contact.add', { address: romeo.account.address });
      await caller.call('contact.accept', { address: juliet.account.address }).catch(() => undefined);
      await nurse.type(`/sub request ${romeo.account.address}`);
      await caller.call('contact.accept', { address: accounts.nurse.address }).catch(() => undefined);
      await caller.call('contact.add', { address: accounts.nurse.address });
      await nurse.type(`/sub allow ${romeo.account.address}`);
      const [busy, gone] = [text('Sword practice'), text('To the market')];
      await romeo.home();
      await romeo.page.locator('.me').click();
      await romeo.choose(romeo.say('status.set'));
      await romeo.dialog.getByRole('textbox').fill(busy);
      await romeo.dialog.getByLabel(romeo.say('status.until')).selectOption('hour');
      await romeo.button('ui.save', {}, romeo.dialog).click();
      await romeo.dialog.waitFor({ state: 'detached' });
      await juliet.go(`#/c/${encodeURIComponent(romeo.account.address)}`);
      await juliet.main.locator('[data-region="header"]').getByText(busy).waitFor();
      await nurse.type('/win 1');
      await nurse.type(`/info ${romeo.account.address}`);
      await nurse.shows(busy);
      // What has an end ends by itself, on every device and in every client.
      await caller.call('presence.set', { show: 'busy', text: busy, until_ms: Date.now() + 3_600_000 });
      await juliet.main.locator('[data-region="header"]').locator('p').getByText(juliet.say('presence.busy')).waitFor();
      await caller.call('presence.set', { show: 'busy', text: busy, until_ms: Date.now() + 1_000 });
      await juliet.main.locator('[data-region="header"]').getByText(busy).waitFor({ state: 'detached' });
      await nurse.type(`/status set away "${gone}"`);
      await romeo.go(`#/c/${encodeURIComponent(accounts.nurse.address)}`);
      await romeo.main.locator('[data-region="header"]').getByText(gone).waitFor();
      await romeo.main.locator('[data-region="header"]').locator('p').getByText(romeo.say('presence.away')).waitFor();
      await nurse.type('/status set online');
      await romeo.main.locator('[data-region="header"]').getByText(gone).waitFor({ state: 'detached' });
    },
  },
  {
    name: 'blocking',
    async run({ romeo, nurse, accounts, text }) {
      const [before, during, after] = [text('Good e’en'), text('Hear me'), text('Friends again')];
      await romeo.open(accounts.nurse.address);
      await nurse.talkTo(romeo.account.address);
      await nurse.type(before);
      await romeo.message(before).waitFor();
      const details = await romeo.beside(accounts.nurse.address, 'panel=details');
      await romeo.button('details.block', {}, details).click();
      await romeo.page.getByText(romeo.say('conversation.blocked')).first().waitFor({ state: 'attached' });
      await nurse.type(during);
      await nurse.shows(/service-unavailable|not-acceptable|unavailable|error/i);
      await romeo.go(`#/c/${encodeURIComponent(accounts.nurse.address)}`);
      check((await romeo.main.locator('article', { hasText: during }).count()) === 0, 'Somebody who is blocked was heard.');
      await romeo.button('conversation.unblock', {}, romeo.main).click();
      await romeo.composer().waitFor();
      await until('who is not blocked any more is heard', async () => {
        await nurse.type(after);
        return romeo.message(after).waitFor({ timeout: 2_000 }).then(() => true, () => false);
      });
    },
  },
  {
    name: 'sections, favourites, hiding and muting',
    async run({ romeo, juliet, accounts, room, text }) {
      const section = text('Mine');
      const nurse = accounts.nurse.address;
      // What waits for its reader is not hidden.
      await romeo.open(nurse);
      await romeo.unread(nurse).waitFor({ state: 'detached' });
      await romeo.home();
      await romeo.new('section.new');
      await romeo.dialog.getByLabel(romeo.say('section.name')).fill(section);
      await romeo.button('ui.save', {}, romeo.dialog).click();
      const mine = romeo.list.locator('section').filter({ has: romeo.page.getByRole('button', { name: section, exact: true }) });
      await mine.waitFor();
      const favourites = romeo.list.locator('section').filter({ has: romeo.page.getByRole('button', { name: romeo.say('sidebar.favourites'), exact: true }) });
      const row = mine.locator(`[data-conversation="${nurse}"]`);
      if (romeo.isPhone) {
        await romeo.configure(nurse, 'section.moveTo', { name: section });
        await romeo.home();
      } else {
        await romeo.row(nurse).hover();
        await romeo.page.mouse.down();
        const to = await mine.getByText(romeo.say('section.empty')).boundingBox();
        if (!to) throw new Error('The section is not in view.');
        // The first steps begin the drag, and the list makes room for the favourites.
        await romeo.page.mouse.move(to.x + 60, to.y + 30, { steps: 4 });
        await favourites.waitFor();
        const there = (await mine.getByText(romeo.say('section.empty')).boundingBox()) ?? to;
        await romeo.page.mouse.move(there.x + 40, there.y + 10, { steps: 6 });
        await mine.and(romeo.page.locator('.over')).waitFor();
        await romeo.page.mouse.up();
      }
      await row.waitFor();
      await romeo.configure(nurse, 'section.moveOut');
      await romeo.home();
      await row.waitFor({ state: 'detached' });
      await romeo.button('section.menu', { name: section }, mine).click();
      await romeo.choose(romeo.say('section.delete'));
      await mine.waitFor({ state: 'detached' });
      await romeo.configure(nurse, 'menu.favourite');
      await romeo.home();
      await favourites.locator(`[data-conversation="${nurse}"]`).waitFor();
      await romeo.configure(nurse, 'menu.unfavourite');
      await romeo.home();
      await favourites.waitFor({ state: 'detached' });
      await romeo.configure(nurse, 'menu.hide');
      await romeo.home();
      await romeo.row(nurse).waitFor({ state: 'detached' });
      await romeo.button('ui.undo').last().click();
      await romeo.row(nurse).waitFor();
      await romeo.configure(room, 'menu.mute');
      await romeo.home();
      await juliet.open(room);
      const said = text('Softly');
      await juliet.write(said);
      // A muted room neither counts nor is written in bold.
      await romeo.row(room).and(romeo.page.getByRole('link', { name: romeo.like('item.muted') })).waitFor();
      check((await romeo.unread(room).count()) === 0, 'A muted room is written in bold.');
      await romeo.configure(room, 'menu.unmute');
    },
  },
];
