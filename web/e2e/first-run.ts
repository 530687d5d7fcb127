// The first visit of the first administrator, with a clock: a server is started on an empty folder, its link is followed, and the
// first message is there within two minutes: `first-run BINARY [FOLDER]`.
import { closeBrowser, openBrowser, openPage } from './browser';
import { Server } from './server';
import { until } from './wait';

/** From the start of the server to the first message, in milliseconds. */
const BUDGET_MS = 120_000;
/** A pause between two keys: a slow typist's 40 words a minute. */
const KEY_MS = 300;

export default async function firstRun([binary = '', folder]: string[]): Promise<void> {
  if (binary === '') throw new Error('first-run BINARY [FOLDER]');
  const start = Date.now();
  const server = await Server.start(binary);
  const browser = await openBrowser();
  try {
    let link = '';
    await until('the server prints a link', async () => {
      link = /https?:\/\/\S+#\/first\/\S+/.exec(server.printed)?.[0] ?? '';
      // A server without a client in it prints what the link would hold.
      const [, address, password] = /Address\s+(\S+)\s+Password\s+(\S+)/.exec(server.printed) ?? [];
      if (link === '' && address !== undefined) link = `#/first/${address}/${password}`;
      return link !== '';
    });
    const { page, complaints } = await openPage(browser, 'administrator');
    const shoot = async (name: string): Promise<void> => {
      if (folder) await page.screenshot({ path: `${folder}/first-${name}.png` });
    };
    // The link is good for the port that people get; this server has another.
    await page.goto(`${server.url}${link.slice(link.indexOf('#'))}`);
    await page.getByLabel('Your name').waitFor();
    if (page.url().includes('first')) throw new Error('The secret is still in the address.');
    await shoot('self');
    await page.getByLabel('Your name').pressSequentially('Ada Admin', { delay: KEY_MS });
    await page.getByLabel('A password of your own').pressSequentially('ada-secret-1', { delay: KEY_MS });
    await page.getByLabel('Password once more').pressSequentially('ada-secret-1', { delay: KEY_MS });
    await page.getByRole('button', { name: 'Next' }).click();
    await page.getByRole('heading', { name: 'Make it a place for everybody' }).waitFor();
    // What is ticked at first is only a proposal.
    await page.getByRole('checkbox', { name: /^Coffee corner/ }).uncheck();
    await page.getByRole('checkbox', { name: /^Help/ }).check();
    await shoot('others');
    await page.getByRole('button', { name: 'Open Waxwing' }).click();
    await page.getByRole('heading', { level: 1, name: 'General' }).waitFor();
    const rooms = page.getByRole('navigation', { name: 'Conversations' });
    // Rooms are made in their order, so one before this would be there by now.
    await rooms.getByRole('link', { name: /^Help/ }).waitFor();
    if ((await rooms.getByRole('link', { name: /^Coffee corner/ }).count()) > 0) throw new Error('A room was made that was not wanted.');
    // Nothing has to be looked for: the keys go into the field.
    await until('the field has the focus', () => page.evaluate(() => document.activeElement?.tagName === 'TEXTAREA'));
    await page.keyboard.type('Hello everybody', { delay: KEY_MS });
    await page.keyboard.press('Enter');
    await page.locator('main article[data-message]', { hasText: 'Hello everybody' }).waitFor();
    const took = Date.now() - start;
    console.log(`The first message was there ${(took / 1000).toFixed(1)} s after the start of the server, of ${BUDGET_MS / 1000} s.`);
    await shoot('message');
    if (took > BUDGET_MS) throw new Error('That is too long.');
    await page.reload();
    await page.locator('main article[data-message]', { hasText: 'Hello everybody' }).waitFor();
    const again = await openPage(browser, 'somebody with the same link');
    await again.page.goto(`${server.url}${link.slice(link.indexOf('#'))}`);
    await again.page.getByText('That link was used already').waitFor();
    if (complaints.length > 0) throw new Error(`The page complained:\n${complaints.join('\n')}`);
    console.log('Everything works.');
  } finally {
    await closeBrowser(browser);
    await server.stop();
  }
}
