// Outages: what is written meanwhile goes once and in order, what was said meanwhile comes, and a restart is hardly felt.
import type { Feature } from '../stage';
import { check, until } from '../wait';
import { cuttable } from '../way';

/** A restart is felt as less than this, in milliseconds, on a machine that does nothing else. */
const FELT_MS = 2_000;

export const CONNECTION: readonly Feature[] = [
  {
    name: 'an outage: the outbox, and what was missed',
    async run({ server, stranger, accounts, juliet, nurse, room, text }) {
      const way = await cuttable(server.url);
      try {
        const away = await stranger(accounts.romeo, way.url);
        await away.signIn();
        await away.open(room);
        await juliet.open(room);
        await nurse.enter(room);
        const mark = text('away');
        await way.cut();
        await away.page.getByRole('status').filter({ hasText: away.say('offline.retry') }).first().waitFor();
        for (const n of [1, 2, 3]) {
          await away.composer().fill(`${mark} mine ${n}`);
          await away.send();
        }
        await away.main.locator('.outgoing').getByText(away.say('outgoing.waiting')).first().waitFor();
        // Signing out would lose what waits, so it is asked first.
        await away.home();
        await away.button('rail.me', { name: accounts.romeo.name }).click();
        await away.choose(away.say('rail.signOut'));
        await away.dialog.getByText(away.like('signOut.unsent')).waitFor();
        await away.button('ui.cancel', {}, away.dialog).click();
        await away.open(room);
        await juliet.write(`${mark} hers`);
        await way.mend();
        await away.message(`${mark} hers`).waitFor();
        await juliet.message(`${mark} mine 3`).waitFor();
        await away.message(`${mark} mine 3`).waitFor();
        for (const person of [juliet, away]) {
          const said = (await person.main.locator('article[data-message]', { hasText: `${mark} mine` }).allInnerTexts()).map((t) => / mine (\d)/.exec(t)?.[1]).join('');
          check(said === '123', `What was written off line is there as ${said}.`);
        }
        const screen = await nurse.shows(`${mark} mine 3`);
        check(screen.indexOf(`${mark} mine 1`) < screen.indexOf(`${mark} mine 2`), 'profanity is shown another order.');
        await away.page.context().close();
      } finally {
        await way.cut();
      }
    },
  },
  {
    name: 'a restart of the server',
    async run({ server, romeo, juliet, nurse, room, text }) {
      await romeo.open(room);
      await juliet.open(room);
      const before = text('Before');
      await romeo.write(before);
      await server.admin(['restart']);
      const start = Date.now();
      const after = text('After');
      await romeo.composer().fill(after);
      await romeo.send();
      await juliet.message(after).waitFor();
      console.log(`    after a restart a message was there within ${Date.now() - start} ms (of ${FELT_MS} on a quiet machine)`);
      await romeo.message(before).waitFor();
      await romeo.message(after).waitFor();
      check((await romeo.main.locator('article[data-message]', { hasText: after }).count()) === 1, 'A message is there twice after a restart.');
      // profanity is told, and comes back when it is asked to.
      await until('profanity is back', async () => {
        if (/logged in successfully/.test(await nurse.screen())) return true;
        await nurse.reconnect(server.xmpp);
        return false;
      });
      await nurse.enter(room);
      await nurse.shows(after);
    },
  },
  {
    name: 'a reload, and a link of the address bar',
    async run({ romeo, room, roomName, text }) {
      const said = text('Stay');
      await romeo.open(room);
      await romeo.write(said);
      await romeo.page.reload();
      await romeo.message(said).waitFor();
      await romeo.main.getByRole('heading', { level: 1, name: roomName }).waitFor();
      await romeo.page.goBack();
      await romeo.page.goForward();
      await romeo.message(said).waitFor();
    },
  },
];
