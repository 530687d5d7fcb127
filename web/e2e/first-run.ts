// The first visit of the first administrator, by the link that the server printed: `first-run LINK [FOLDER]`.
import { closeBrowser, openBrowser, openPage } from './browser';

export default async function firstRun([link = '', folder]: string[]): Promise<void> {
  const browser = await openBrowser();
  const { page, complaints } = await openPage(browser, 'administrator');
  const shoot = async (name: string) => {
    if (folder) await page.screenshot({ path: `${folder}/first-${name}.png` });
  };
  await page.goto(link);
  await page.getByLabel('Your name').waitFor();
  if (page.url().includes('first')) throw new Error('The secret is still in the address.');
  await shoot('self');
  await page.getByLabel('Your name').fill('Ada Admin');
  await page.getByLabel('A password of your own').fill('ada-secret-1');
  await page.getByLabel('Password once more').fill('ada-secret-1');
  await page.getByRole('button', { name: 'Next' }).click();
  await page.getByRole('heading', { name: 'Make it a place for everybody' }).waitFor();
  await shoot('others');
  await page.getByRole('button', { name: 'Open Waxwing' }).click();
  await page.getByRole('heading', { level: 1, name: 'General' }).waitFor();
  await page.reload();
  await page.getByRole('heading', { level: 1, name: 'General' }).waitFor();
  const again = await openPage(browser, 'somebody with the same link');
  await again.page.goto(link);
  await again.page.getByText('That link was used already').waitFor();
  await closeBrowser(browser);
  if (complaints.length > 0) throw new Error(`The page complained:\n${complaints.join('\n')}`);
  console.log('Everything works.');
}
