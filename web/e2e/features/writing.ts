// What people write, and what they do to what was written.
import type { Feature } from '../stage';
import { check, until } from '../wait';

export const WRITING: readonly Feature[] = [
  {
    name: 'messages between two',
    async run({ romeo, juliet, nurse, accounts, text }) {
      const [hello, ours, hers] = [text('Hello'), text('Good morrow'), text('Anon')];
      await juliet.home();
      await romeo.open(juliet.account.address);
      await romeo.write(hello);
      await juliet.waiting(romeo.account.address).waitFor();
      await until('the title counts what waits', async () => (await juliet.page.title()).startsWith('('));
      await juliet.open(romeo.account.address);
      await juliet.message(hello).waitFor();
      await romeo.main.getByText(romeo.say('message.seen'), { exact: true }).last().waitFor();
      await nurse.talkTo(romeo.account.address);
      await romeo.open(accounts.nurse.address);
      await romeo.write(ours);
      await nurse.shows(ours);
      await nurse.type(hers);
      await romeo.message(hers).waitFor();
    },
  },
  {
    name: 'messages in a room',
    async run({ romeo, juliet, nurse, room, text }) {
      const [ours, hers] = [text('All together'), text('From a terminal')];
      await nurse.enter(room);
      await romeo.open(room);
      await juliet.open(room);
      await romeo.write(ours);
      await juliet.message(ours).waitFor();
      // Who hears the page is told who has said what.
      const log = juliet.page.locator('[role="log"]');
      await until('it is read out', async () => (await log.textContent()) === juliet.say('live.message', { name: romeo.account.name, text: ours }));
      await nurse.shows(ours);
      await nurse.type(hers);
      await romeo.message(hers).waitFor();
      await juliet.message(hers).waitFor();
    },
  },
  {
    name: 'replies',
    async run({ romeo, juliet, nurse, room, text }) {
      const [asked, answer] = [text('Wherefore'), text('Therefore')];
      await nurse.enter(room);
      await nurse.type(asked);
      await romeo.open(room);
      await juliet.open(room);
      await romeo.act(romeo.message(asked), 'action.reply');
      await romeo.write(answer);
      await juliet.message(answer).getByText(asked).waitFor();
      // Only the answer: profanity knows no replies, and nothing is repeated for it.
      const screen = await nurse.shows(answer);
      check(!screen.split('\n').some((line) => line.includes('>') && line.includes(asked)), 'profanity is shown the quotation as well.');
    },
  },
  {
    name: 'reactions',
    async run({ romeo, juliet, nurse, room, text }) {
      const [said, after] = [text('A rose'), text('By any other name')];
      await romeo.open(room);
      await romeo.write(said);
      await juliet.open(room);
      await nurse.enter(room);
      await juliet.reach(juliet.message(said)).then((bar) => bar.getByRole('button', { name: juliet.say('action.reactWith', { emoji: '👍' }), exact: true }).click());
      const bubble = romeo.message(said).getByRole('button', { name: /^👍 / });
      await bubble.waitFor();
      await bubble.click();
      await juliet.message(said).getByRole('button', { name: /^👍 2/ }).waitFor();
      await bubble.click();
      await juliet.message(said).getByRole('button', { name: /^👍 1/ }).waitFor();
      await romeo.write(after);
      const screen = await nurse.shows(after);
      check(!screen.includes('👍'), 'profanity is shown a reaction as a message.');
    },
  },
  {
    name: 'editing, with history',
    async run({ romeo, juliet, nurse, room, text }) {
      const [wrong, right, hers, better] = [text('Tpyo'), text('Typo'), text('Lark'), text('Nightingale')];
      await nurse.enter(room);
      await romeo.open(room);
      await juliet.open(room);
      await romeo.write(wrong);
      await romeo.composer().press('ArrowUp');
      await romeo.composer().fill(right);
      await romeo.button('ui.save', {}, romeo.main.locator('[data-region="composer"]')).click();
      await juliet.message(right).getByText(juliet.say('message.edited')).waitFor();
      await romeo.message(right).getByText(romeo.say('message.edited')).waitFor();
      await until('the field is empty after editing', async () => (await romeo.composer().inputValue()) === '');
      await juliet.act(juliet.message(right), 'action.versions');
      await juliet.dialog.getByText(wrong).waitFor();
      await juliet.closeAll();
      await nurse.shows(right);
      await nurse.type(hers);
      await romeo.message(hers).waitFor();
      await nurse.type(`/correct ${better}`);
      await romeo.message(better).getByText(romeo.say('message.edited')).waitFor();
      await romeo.message(hers).waitFor({ state: 'detached' });
    },
  },
  {
    name: 'taking back, and writing anew',
    async run({ romeo, juliet, nurse, room, text }) {
      const said = text('Banished');
      await nurse.enter(room);
      await romeo.open(room);
      await juliet.open(room);
      await romeo.write(said);
      await juliet.message(said).waitFor();
      await nurse.shows(said);
      await romeo.act(romeo.message(said), 'action.recall');
      await romeo.button('action.recall', {}, romeo.dialog).click();
      await juliet.message(said).waitFor({ state: 'detached' });
      await juliet.main.getByText(juliet.say('message.recalled', { name: romeo.account.name })).last().waitFor();
      await romeo.main.getByText(romeo.say('message.rewrite')).last().click();
      await until('what was taken back is in the field', async () => (await romeo.composer().inputValue()).includes(said));
      const anew = text('Not banished');
      await romeo.composer().fill(anew);
      await romeo.send();
      await juliet.message(anew).waitFor();
      // profanity knows no retraction: it keeps what it has, and is shown nothing in its place.
      const screen = await nurse.shows(anew);
      check(screen.includes(said), 'profanity forgot what was taken back: the checklist says otherwise.');
      check(screen.split('\n').filter((line) => /romeo/i.test(line) && line.includes(':')).every((line) => !/retract|took back/i.test(line)), 'profanity is shown a text in its place.');
    },
  },
  {
    name: 'threads',
    async run({ romeo, juliet, nurse, room, text }) {
      const [root, reply, more] = [text('Two households'), text('Both alike'), text('In dignity')];
      await nurse.enter(room);
      await romeo.open(room);
      await romeo.write(root);
      await juliet.open(room);
      await juliet.act(juliet.message(root), 'action.thread');
      await juliet.write(reply, juliet.panel);
      await nurse.shows(reply);
      await romeo.message(root).getByText(romeo.like('message.replies')).waitFor();
      check((await romeo.main.locator('article[data-message]').filter({ has: romeo.page.locator('.text', { hasText: reply }) }).count()) === 0, 'A reply in a thread stands in the room as well.');
      await romeo.go('#/threads');
      await romeo.main.locator('li', { hasText: root }).getByText(romeo.like('sidebar.unreadCount')).first().waitFor({ state: 'attached' });
      await romeo.main.locator('li button', { hasText: root }).click();
      await romeo.message(reply, romeo.panel).waitFor();
      await romeo.button('thread.unfollow', {}, romeo.panel).click();
      await romeo.button('thread.follow', {}, romeo.panel).click();
      await romeo.button('thread.unfollow', {}, romeo.panel).waitFor();
      await romeo.write(more, romeo.panel);
      await juliet.message(more, juliet.panel).waitFor();
      await romeo.go('#/threads');
      await romeo.main.locator('li button:not(.unread)', { hasText: root }).waitFor();
      await juliet.page.keyboard.press('Escape');
      await juliet.panel.waitFor({ state: 'detached' });
    },
  },
  {
    name: 'pinned and saved messages',
    async run({ romeo, juliet, room, text }) {
      const said = text('Mark this');
      await romeo.open(room);
      await romeo.write(said);
      await juliet.open(room);
      await romeo.act(romeo.message(said), 'action.pin');
      await juliet.message(said).getByText(juliet.say('message.pinnedBy', { name: romeo.account.name })).waitFor();
      const pinned = await juliet.beside(room, 'panel=pinned');
      await pinned.getByText(said).waitFor();
      await juliet.open(room);
      await juliet.act(juliet.message(said), 'action.save');
      await juliet.go('#/saved');
      await juliet.message(said).or(juliet.main.locator('article', { hasText: said })).first().waitFor();
      await juliet.open(room);
      await juliet.act(juliet.message(said), 'action.unsave');
      await romeo.act(romeo.message(said), 'action.unpin');
      await juliet.message(said).getByText(juliet.like('message.pinnedBy')).waitFor({ state: 'detached' });
      await juliet.go('#/saved');
      await juliet.main.locator('article', { hasText: said }).waitFor({ state: 'detached' });
    },
  },
  {
    name: 'polls',
    async run({ romeo, juliet, nurse, room, text }) {
      const [question, verona, mantua] = [text('Whither'), text('Verona'), text('Mantua')];
      await nurse.enter(room);
      await romeo.open(room);
      await juliet.open(room);
      await romeo.more('composer.poll');
      await romeo.dialog.getByLabel(romeo.say('poll.question')).fill(question);
      await romeo.dialog.getByLabel(romeo.say('poll.option', { n: 1 }), { exact: true }).fill(verona);
      await romeo.dialog.getByLabel(romeo.say('poll.option', { n: 2 }), { exact: true }).fill(mantua);
      await romeo.button('poll.send', {}, romeo.dialog).click();
      const poll = juliet.message(question);
      await poll.getByText(mantua).click();
      await poll.getByText(/100\s*%/).waitFor();
      await romeo.message(question).getByText(/100\s*%/).waitFor();
      await romeo.message(question).getByText(verona).click();
      await poll.getByText(/50\s*%/).first().waitFor();
      await romeo.button('poll.showNames', {}, romeo.message(question)).click();
      await romeo.message(question).getByText(juliet.account.name).waitFor();
      await romeo.act(romeo.message(question), 'poll.close');
      await romeo.button('poll.close', {}, romeo.dialog).click();
      await poll.getByText(juliet.say('poll.closed'), { exact: true }).waitFor();
      await until('nobody can vote any more', async () => poll.getByRole('radio', { name: verona }).isDisabled());
      // Who knows no polls reads the question and the numbered answers.
      await nurse.shows(question);
      await nurse.shows(`1. ${verona}`);
      await nurse.shows(`2. ${mantua}`);
    },
  },
  {
    name: 'mentions: a person, the room, who is online',
    async run({ romeo, juliet, nurse, room, text }) {
      await nurse.enter(room);
      for (const [typed, option, said] of [
        [`@${juliet.account.name.slice(0, 3)}`, juliet.account.name, text('come hither')],
        ['@all', romeo.say('mention.all'), text('hear ye')],
        ['@here', romeo.say('mention.here'), text('who is here')],
      ] as const) {
        await juliet.home();
        await romeo.open(room);
        const typing = typed === '@all' ? `@${option.slice(0, 2)}` : typed === '@here' ? `@${option.slice(0, 2)}` : typed;
        await romeo.composer().fill('');
        await romeo.composer().pressSequentially(typing);
        await romeo.page.getByRole('option', { name: new RegExp(option) }).first().click();
        await romeo.composer().pressSequentially(said);
        await romeo.send();
        await juliet.waiting(room).waitFor();
        await juliet.go('#/mentions');
        await juliet.main.locator('article', { hasText: said }).waitFor();
        await juliet.open(room);
        await juliet.message(said).waitFor();
        await juliet.waiting(room).waitFor({ state: 'detached' });
        await nurse.shows(said);
      }
    },
  },
  {
    name: 'typing',
    async run({ romeo, juliet, nurse, accounts }) {
      await romeo.open(juliet.account.address);
      await juliet.open(romeo.account.address);
      await juliet.composer().pressSequentially('I am');
      await romeo.main.getByText(romeo.like('typing', { names: juliet.account.name })).waitFor();
      await juliet.composer().fill('');
      await nurse.talkTo(romeo.account.address);
      await romeo.open(accounts.nurse.address);
      // profanity tells only those who have told it before that they are writing.
      await romeo.composer().pressSequentially('Nurse');
      await romeo.composer().fill('');
      await nurse.begin('Patience');
      try {
        await romeo.main.getByText(romeo.like('typing', { names: accounts.nurse.name })).waitFor();
      } finally {
        await nurse.clear();
      }
    },
  },
  {
    name: 'styling, code, lists and tables',
    async run({ romeo, juliet, nurse, room, text }) {
      const mark = text('styled');
      await nurse.enter(room);
      await romeo.open(room);
      await juliet.open(room);
      const field = romeo.composer();
      await field.fill('strong');
      await field.selectText();
      await romeo.page.keyboard.press('Control+b');
      await until('Ctrl+B makes it bold', async () => (await field.inputValue()) === '*strong*');
      if (!romeo.isPhone) {
        await romeo.button('composer.preview').click();
        await romeo.main.locator('.preview strong', { hasText: 'strong' }).waitFor();
      }
      await field.fill(`${mark} *strong* _soft_ ~struck~ \`code\`\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> said\n\n\`\`\`rust\nfn main() {}\n\`\`\``);
      await romeo.send();
      const shown = juliet.message(mark);
      for (const element of ['strong', 'em', 'del, s', 'code', 'ul li', 'table td', 'blockquote', 'pre .keyword']) await shown.locator(element).first().waitFor();
      // Styling is written as XEP-0393 has it, which is readable as it stands.
      await nurse.shows(`${mark} *strong* _soft_`);
    },
  },
  {
    name: 'emoji: picker and completion',
    async run({ romeo, juliet, nurse, room, text }) {
      const said = text('merry');
      await nurse.enter(room);
      await romeo.open(room);
      await juliet.open(room);
      await romeo.composer().fill(`${said} `);
      await romeo.composer().pressSequentially(':tada');
      await romeo.page.getByRole('option', { name: /🎉/u }).first().click();
      await romeo.button('emoji.title').click();
      await romeo.page.locator('.popover .cell').first().waitFor();
      await romeo.page.locator('.popover').getByRole('searchbox').fill('rocket');
      await romeo.page.keyboard.press('Enter');
      await until('both are in the field', async () => /🎉.*🚀/u.test(await romeo.composer().inputValue()));
      await romeo.send();
      await juliet.message(said).getByText(/🎉.*🚀/u).waitFor();
      await nurse.shows(/🎉.*🚀/u);
    },
  },
  {
    name: 'completion of rooms and commands',
    async run({ romeo, juliet, nurse, room, roomName, text }) {
      const said = text('see');
      await nurse.talkTo(romeo.account.address);
      await romeo.open(juliet.account.address);
      await romeo.composer().fill('');
      await romeo.composer().pressSequentially(`${said} #${roomName.split(' ')[0]}`);
      await romeo.page.getByRole('option', { name: new RegExp(roomName) }).first().click();
      await romeo.send();
      await juliet.open(romeo.account.address);
      await juliet.message(said).getByRole('link').first().click();
      await juliet.main.getByRole('heading', { level: 1, name: roomName }).waitFor();
      await romeo.open(room);
      await nurse.enter(room);
      await romeo.composer().fill('');
      await romeo.composer().pressSequentially('/shr');
      await romeo.page.getByRole('option', { name: /shrug/ }).click();
      const shrug = text('alas');
      await romeo.composer().pressSequentially(shrug);
      await romeo.send();
      await juliet.message(`${shrug} ¯`).waitFor();
      await nurse.shows(`${shrug} ¯`);
      const topic = text('Of love');
      await romeo.composer().fill(`/topic ${topic}`);
      await romeo.page.keyboard.press('Escape');
      await romeo.send();
      await juliet.main.locator('[data-region="header"]').getByText(topic).waitFor();
      await nurse.shows(topic);
    },
  },
];
