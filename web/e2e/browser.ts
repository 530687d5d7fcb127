// Opens pages of the client in a browser, and says what goes wrong in them.
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { PATIENCE_MS } from './wait';

/** By how much the browser makes its processor slower, which brings out what only works because something else comes first. */
const SLOWER = Number(process.env.WAXWING_SLOWER ?? 1);

export async function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  });
}

/** Closes the browser, and does not wait for ever for one that is gone. */
export async function closeBrowser(browser: Browser): Promise<void> {
  await Promise.race([browser.close(), new Promise((resolve) => setTimeout(resolve, 5_000))]);
}

/** Waits until nothing on the page changes or moves any more; what moves for ever is left out. */
export async function still(page: Page): Promise<void> {
  await page.evaluate(
    () =>
      new Promise<void>((resolve) => {
        const isMoving = (a: Animation) => a.playState === 'running' && Number.isFinite(Number(a.effect?.getComputedTiming().endTime));
        let timer: ReturnType<typeof setTimeout> | undefined;
        const wait = () => {
          clearTimeout(timer);
          timer = setTimeout(() => (document.getAnimations().some(isMoving) ? wait() : end()), 250);
        };
        const observer = new MutationObserver(wait);
        const end = () => {
          clearTimeout(timer);
          observer.disconnect();
          resolve();
        };
        observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
        wait();
        // A clock on the page may tick without an end.
        setTimeout(end, 5_000);
      }),
  );
}

/** A page of its own, as if on a device of its own. Whatever it complains of is collected. */
export async function openPage(browser: Browser, name: string, options: BrowserContextOptions = {}): Promise<{ page: Page; complaints: string[] }> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    locale: 'en-GB',
    ignoreHTTPSErrors: true,
    permissions: ['clipboard-read', 'clipboard-write'],
    ...options,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  if (SLOWER > 1) await (await context.newCDPSession(page)).send('Emulation.setCPUThrottlingRate', { rate: SLOWER });
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(`${name}: ${error.stack ?? error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`${name}: ${message.text()} ${message.location().url}`);
  });
  return { page, complaints };
}

export async function signIn(page: Page, url: string, address: string, password: string): Promise<void> {
  await page.goto(url);
  await page.getByLabel('Address').fill(address);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('navigation', { name: 'Conversations' }).waitFor();
}
