// Draws the pictures of public/ from favicon.svg: `node scripts/icons.mjs`.
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const folder = fileURLToPath(new URL('../public/', import.meta.url));
const svg = await readFile(`${folder}favicon.svg`, 'utf8');
/** Systems cut their own shape out of these, and so the ground goes to the edge and the bird stands in the middle. */
const whole = svg.replace('rx="14"', 'rx="0"').replace(/<g transform="[^"]*">/, '<g transform="translate(7.3 5.2) scale(0.78)">');

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
async function draw(source, size) {
  const page = await browser.newPage({ viewport: { width: size, height: size } });
  await page.setContent(`<style>body{margin:0}svg{display:block;width:${size}px;height:${size}px}</style>${source}`);
  const png = await page.screenshot({ omitBackground: true });
  await page.close();
  return png;
}
for (const size of [192, 512]) {
  await writeFile(`${folder}icon-${size}.png`, await draw(svg, size));
  await writeFile(`${folder}icon-maskable-${size}.png`, await draw(whole, size));
}
await writeFile(`${folder}apple-touch-icon.png`, await draw(whole, 180));

// An .ico is a list of pictures; those may be PNG.
const sizes = [16, 32, 48];
const pngs = await Promise.all(sizes.map((size) => draw(svg, size)));
const head = Buffer.alloc(6 + 16 * sizes.length);
head.writeUInt16LE(1, 2);
head.writeUInt16LE(sizes.length, 4);
let offset = head.length;
for (const [i, png] of pngs.entries()) {
  const at = 6 + 16 * i;
  head.writeUInt8(sizes[i], at);
  head.writeUInt8(sizes[i], at + 1);
  head.writeUInt16LE(1, at + 4);
  head.writeUInt16LE(32, at + 6);
  head.writeUInt32LE(png.length, at + 8);
  head.writeUInt32LE(offset, at + 12);
  offset += png.length;
}
await writeFile(`${folder}favicon.ico`, Buffer.concat([head, ...pngs]));
await browser.close();
