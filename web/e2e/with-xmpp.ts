// Somebody at a browser talks with somebody on an XMPP client, alone and in a room, at the width of a desktop or a phone:
// `with-xmpp URL ADDRESS PASSWORD [wide|phone] [light|dark] [FOLDER]`. The other side is `tests/interop/with_browser.py`, as Nurse.
import type { Page } from 'playwright-core';
import { closeBrowser, openBrowser, openPage, signIn } from './browser';

const composer = (page: Page) => page.locator('main [data-region="composer"] textarea');
const said = (page: Page, text: string) => page.locator('main article', { hasText: text }).last();

async function write(page: Page, text: string): Promise<void> {
  await composer(page).fill(text);
  // On a phone the key for a new line makes one.
  await page.locator('main [data-region="composer"]').getByRole('button', { name: 'Send', exact: true }).click();
  await page.locator('main article[data-message]', { hasText: text }).last().waitFor();
}

export default async function withXmpp(args: string[]): Promise<void> {
  const [url = '', address = '', password = '', width = 'wide', scheme = 'light', folder] = args;
  if (password === '') throw new Error('with-xmpp URL ADDRESS PASSWORD [wide|phone] [light|dark] [FOLDER]');
  const phone = width === 'phone';
  const browser = await openBrowser();
  const { page, complaints } = await openPage(browser, address, {
    viewport: phone ? { width: 390, height: 844 } : { width: 1280, height: 800 },
    colorScheme: scheme === 'dark' ? 'dark' : 'light',
    hasTouch: phone,
    isMobile: phone,
  });
  const shoot = async (name: string) => {
    if (folder) await page.screenshot({ path: `${folder}/with-xmpp-${width}-${scheme}-${name}.png` });
  };
  try {
    await signIn(page, url, address, password);
    const list = page.getByRole('navigation', { name: 'Conversations' });
    await list.locator('[data-conversation="nurse@localhost"]').click();
    await said(page, 'Hello from an XMPP client').waitFor();
    await write(page, 'Hello from a browser');
    await said(page, 'Hello from a browser').getByRole('button', { name: /^👍/ }).waitFor();
    await shoot('alone');

    if (phone) await page.getByRole('link', { name: 'Back' }).click();
    await list.getByRole('button', { name: 'New', exact: true }).click();
    await page.getByRole('menuitem', { name: 'Create a room' }).click();
    await page.getByLabel('Name', { exact: true }).fill('Hall');
    await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click();
    await page.locator('main').getByRole('heading', { level: 1, name: 'Hall' }).waitFor();
    if (phone) await page.getByRole('link', { name: 'Back' }).click();
    await list.locator('[data-conversation="nurse@localhost"]').click();
    await said(page, 'Hello from a browser').waitFor();
    await write(page, 'Come to the room');
    if (phone) await page.getByRole('link', { name: 'Back' }).click();
    await list.locator('[data-conversation="hall@rooms.localhost"]').click();
    await said(page, 'I am here, on an XMPP client').waitFor();
    await write(page, 'Welcome, from a browser');
    await shoot('room');
    for (const complaint of complaints) console.log(complaint);
    if (complaints.length > 0) throw new Error('The page complained.');
  } catch (error) {
    await shoot('failed');
    throw error;
  } finally {
    await closeBrowser(browser);
  }
}
