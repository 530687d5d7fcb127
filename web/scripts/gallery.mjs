// Takes pictures of the gallery in every theme, width and direction: `node scripts/gallery.mjs URL FOLDER [PART…]`.
import { mkdir } from 'node:fs/promises';
import { chromium } from 'playwright-core';

const [url = 'http://127.0.0.1:5173', folder = 'gallery', ...wanted] = process.argv.slice(2);
const parts = wanted.length > 0 ? wanted : ['ui', 'markup', 'emoji', 'panes'];
const SHOTS = [
  { name: 'light', width: 1280, query: 'theme=light&lang=en' },
  { name: 'dark', width: 1280, query: 'theme=dark&lang=zh-CN' },
  { name: 'contrast', width: 1280, query: 'theme=contrast&lang=en' },
  { name: 'mirrored', width: 1280, query: 'theme=light&lang=ar-XB' },
  { name: 'phone', width: 390, query: 'theme=light&lang=zh-CN' },
  { name: 'phone-dark', width: 390, query: 'theme=dark&lang=en' },
];

await mkdir(folder, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] });
for (const { name, width, query } of SHOTS) {
  const context = await browser.newContext({ viewport: { width, height: 844 }, hasTouch: width < 500, isMobile: width < 500 });
  const page = await context.newPage();
  page.on('pageerror', (error) => console.error(name, error.message));
  page.on('console', (message) => message.type() === 'error' && console.error(name, message.text()));
  for (const part of parts) {
    await page.goto(`${url}/gallery.html?part=${part}&${query}`);
    await page.waitForSelector('main section');
    await page.evaluate(() => document.fonts.ready);
    await page.waitForLoadState('networkidle');
    // Nothing may be wider than the page.
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (overflow > 0) console.error(`${part} ${name}: ${overflow} px too wide`);
    await page.screenshot({ path: `${folder}/${part}-${name}.png`, fullPage: true });
  }
  await context.close();
}
await browser.close();
