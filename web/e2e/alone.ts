// What one person does alone: profile, picture, status, look, language, devices, polls, voice, sending later.
// `alone URL ADDRESS PASSWORD [FOLDER]`: the server runs already, and the account exists.
import { chromium } from 'playwright-core';
import { closeBrowser, openPage, signIn } from './browser';

const PICTURE = 'iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAALUlEQVR4nGM8EWXDQEvARFPTRy0YtWDUglELRi0YtWDUglELRi0YtWDUAioCACK+AZ4xAAKmAAAAAElFTkSuQmCC';

export default async function alone([url = '', address = '', password = '', folder]: string[]): Promise<void> {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'],
  });
  const { page, complaints } = await openPage(browser, address, { permissions: ['microphone', 'notifications'] });
  let doing = '';
  const step = async (what: string, work: () => Promise<void>) => {
    doing = what;
    await work();
    console.log(`${what}: done`);
    if (folder) await page.screenshot({ path: `${folder}/alone-${what.replaceAll(' ', '-')}.png` });
  };
  const dialog = page.getByRole('dialog');
  const settings = async (name: string) => {
    await page.keyboard.press('Control+,');
    await dialog.getByRole('button', { name, exact: true }).click();
  };
  try {
    await signIn(page, url, address, password);
    await step('profile', async () => {
      await settings('Profile');
      await dialog.getByLabel('Title').fill('Ornithologist');
      await dialog.getByRole('button', { name: 'Save' }).click();
      await page.getByText('Saved', { exact: true }).filter({ visible: true }).first().waitFor();
      await dialog.locator('input[type="file"]').setInputFiles({ name: 'me.png', mimeType: 'image/png', buffer: Buffer.from(PICTURE, 'base64') });
      await dialog.locator('img').waitFor();
      await page.waitForFunction(() => [...document.querySelectorAll<HTMLImageElement>('dialog img')].every((i) => i.naturalWidth > 0));
    });
    await step('look', async () => {
      await dialog.getByRole('button', { name: 'Appearance' }).click();
      await dialog.getByText('Dark', { exact: true }).click();
      await page.waitForFunction(() => document.documentElement.dataset.theme === 'dark');
      await dialog.getByText('Compact', { exact: true }).click();
      await page.waitForFunction(() => document.documentElement.dataset.density === 'compact');
    });
    await step('language', async () => {
      await dialog.getByLabel('Language').selectOption('zh-CN');
      await dialog.getByText('外观').waitFor();
      await page.reload();
      await page.getByRole('navigation', { name: '会话' }).waitFor();
      await page.waitForFunction(() => document.documentElement.dataset.theme === 'dark' && document.documentElement.lang === 'zh-CN');
      await page.keyboard.press('Control+,');
      await dialog.getByRole('button', { name: '外观' }).click();
      await dialog.getByLabel('语言').selectOption('');
      await dialog.getByText('Appearance').waitFor();
      await dialog.getByText('System', { exact: true }).click();
      await dialog.getByText('Comfortable', { exact: true }).click();
    });
    await step('devices', async () => {
      await dialog.getByRole('button', { name: 'Devices' }).click();
      await dialog.getByText('This device').waitFor();
      await page.keyboard.press('Escape');
    });
    await step('status', async () => {
      await page.locator('.me').click();
      await page.getByRole('menuitem', { name: 'Set a status' }).click();
      await dialog.getByRole('button', { name: 'At lunch' }).click();
      await dialog.getByRole('button', { name: 'Save' }).click();
      await dialog.waitFor({ state: 'detached' });
    });
    await step('a conversation with oneself', async () => {
      await page.evaluate((a) => (location.hash = `#/c/${encodeURIComponent(a)}`), address);
      await page.locator('main textarea').fill('A note');
      await page.keyboard.press('Enter');
      await page.locator('main article[data-message]', { hasText: 'A note' }).last().waitFor();
    });
    await step('sections', async () => {
      const section = `Mine ${Date.now().toString(36)}`;
      const list = page.getByRole('navigation', { name: 'Conversations' });
      await page.getByRole('button', { name: 'New', exact: true }).click();
      await page.getByRole('menuitem', { name: 'New section' }).click();
      await dialog.getByLabel('Name').fill(section);
      await dialog.getByRole('button', { name: 'Save' }).click();
      const mine = list.locator('section').filter({ has: page.getByRole('button', { name: section, exact: true }) });
      await mine.waitFor();
      const from = await list.getByRole('link', { name: /^Notes to self/ }).boundingBox();
      if (!from) throw new Error('The conversation is not in view.');
      await page.mouse.move(from.x + 40, from.y + 10);
      await page.mouse.down();
      await page.mouse.move(from.x + 60, from.y + 20, { steps: 4 });
      const to = await mine.getByText('Drag conversations here').boundingBox();
      if (!to) throw new Error('The section is not in view.');
      await page.mouse.move(to.x + 40, to.y + 10, { steps: 6 });
      await page.mouse.up();
      await mine.getByRole('link', { name: /^Notes to self/ }).waitFor();
      await mine.getByRole('link', { name: /^Notes to self/ }).click({ button: 'right' });
      await page.getByRole('menuitem', { name: 'Take out of the section' }).click();
      await mine.getByRole('link', { name: /^Notes to self/ }).waitFor({ state: 'detached' });
      await mine.getByRole('button', { name: `Section ${section}` }).click();
      await page.getByRole('menuitem', { name: 'Delete the section' }).click();
      await mine.waitFor({ state: 'detached' });
    });
    await step('widths', async () => {
      const line = page.getByRole('separator', { name: 'Width of the list' });
      await line.focus();
      await page.keyboard.press('ArrowRight');
      await page.waitForFunction(() => document.querySelector('[data-region="sidebar"]')?.clientWidth === 295);
      await page.keyboard.press('Enter');
    });
    await step('a command', async () => {
      await page.locator('main textarea').pressSequentially('/shr');
      await page.getByRole('option', { name: /shrug/ }).click();
      await page.locator('main textarea').pressSequentially('well');
      await page.keyboard.press('Enter');
      await page.locator('main article[data-message]', { hasText: 'well ¯' }).last().waitFor();
    });
    const more = async (item: string) => {
      await page.locator('main [data-region="composer"]').getByRole('button', { name: 'More to send' }).click();
      await page.getByRole('menuitem', { name: item }).click();
    };
    await step('a poll', async () => {
      const question = `Tea or coffee ${Date.now().toString(36)}?`;
      await more('Ask in a poll');
      const fields = dialog.getByRole('textbox');
      await fields.nth(0).fill(question);
      await fields.nth(1).fill('Tea');
      await fields.nth(2).fill('Coffee');
      await dialog.locator('footer').getByRole('button').last().click();
      const poll = page.locator('main article[data-message]', { hasText: question }).last();
      await poll.waitFor();
      await poll.getByText('Coffee', { exact: true }).click();
      await poll.getByText('100').waitFor();
    });
    await step('sending later', async () => {
      await page.locator('main textarea').fill('Not now');
      await more('Send later');
      await dialog.getByRole('button').nth(1).click();
      await page.getByRole('list', { name: 'Send later' }).getByText('Not now').waitFor();
      await page.getByRole('button', { name: 'Do not send it' }).last().click();
      await page.getByRole('list', { name: 'Send later' }).waitFor({ state: 'detached' });
    });
    await step('a voice message', async () => {
      await more('Record a voice message');
      // Something has to be recorded, which takes its time.
      await page.waitForTimeout(1500);
      if (folder) await page.screenshot({ path: `${folder}/alone-recording.png` });
      await page.locator('main .voice').getByRole('button').last().click();
      // The recorder may ask once more before it sends, or not.
      await page.waitForTimeout(400);
      const again = page.locator('main .voice').getByRole('button', { name: 'Send' });
      if ((await again.count()) > 0) await again.click();
      await page.locator('main article[data-message] [aria-label="Voice message"], main article[data-message] :text("Voice message")').last().waitFor();
    });
    await step('keys', async () => {
      await page.keyboard.press('Control+/');
      await dialog.waitFor();
    });
  } catch (error) {
    if (folder) await page.screenshot({ path: `${folder}/alone-failed.png` });
    for (const complaint of complaints) console.error(complaint);
    throw new Error(`It failed while doing: ${doing}`, { cause: error });
  }
  await closeBrowser(browser);
  if (complaints.length > 0) throw new Error(`The page complained:\n${complaints.join('\n')}`);
  console.log('Everything works.');
}
