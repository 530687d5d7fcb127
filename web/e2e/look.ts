// Signs in and takes pictures of what is there: `look URL ADDRESS PASSWORD FOLDER [light|dark] [HASH…]`.
import { closeBrowser, openBrowser, openPage, signIn, still } from './browser';

export default async function look([url = '', address = '', password = '', folder = '.', scheme = 'light', ...hashes]: string[]): Promise<void> {
  const browser = await openBrowser();
  for (const [size, viewport] of Object.entries({ wide: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } })) {
    const { page, complaints } = await openPage(browser, address, {
      viewport,
      colorScheme: scheme === 'dark' ? 'dark' : 'light',
      hasTouch: size === 'phone',
      isMobile: size === 'phone',
    });
    await page.goto(url);
    await page.screenshot({ path: `${folder}/${scheme}-${size}-signin.png` });
    await signIn(page, url, address, password);
    for (const [index, hash] of ['#/', ...hashes].entries()) {
      await page.evaluate((h) => (location.hash = h), hash);
      await still(page);
      await page.screenshot({ path: `${folder}/${scheme}-${size}-${index}.png` });
    }
    for (const complaint of complaints) console.log(complaint);
    await page.context().close();
  }
  await closeBrowser(browser);
}
