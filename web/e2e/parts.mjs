// Drives the parts in the gallery with the keyboard and a finger, as a reader without a mouse does: `node e2e/parts.mjs URL`.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const url = process.argv[2] ?? 'http://127.0.0.1:5173';
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'] });
let failures = 0;

/** Runs one check on a fresh page of the gallery. */
async function check(name, query, act, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, permissions: ['microphone', 'clipboard-read', 'clipboard-write'], ...options });
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  try {
    await page.goto(`${url}/gallery.html?lang=en&${query}`);
    await page.waitForSelector('main section');
    await act(page);
    assert.deepEqual(errors, [], 'errors of the page');
    console.log(`ok    ${name}`);
  } catch (error) {
    failures += 1;
    console.log(`FAIL  ${name}: ${error.message}`);
  }
  await context.close();
}

/** What has the focus: its label or text. */
const focused = (page) => page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent?.trim() ?? '');
const focusIs = (page, wanted) => page.waitForFunction((w) => (document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent?.trim() ?? '').startsWith(w), wanted, { timeout: 2000 }).catch(async () => assert.fail(`the focus is on “${await focused(page)}” and not on “${wanted}”`));
const press = async (page, ...keys) => {
  for (const key of keys) await page.keyboard.press(key);
};

await check('a menu opens, moves and closes by keys, and gives the focus back', 'part=ui', async (page) => {
  await page.focus('button[aria-label="More"]');
  await press(page, 'ArrowDown');
  await focusIs(page, 'Reply');
  await press(page, 'ArrowUp');
  await focusIs(page, 'Delete for everybody');
  await press(page, 'ArrowDown');
  await focusIs(page, 'Reply');
  await press(page, 'e');
  await focusIs(page, 'Edit');
  await press(page, 'End');
  await focusIs(page, 'Delete for everybody');
  await press(page, 'Escape');
  await focusIs(page, 'More');
  assert.equal(await page.locator('[role=menu]').count(), 0);
  await press(page, 'ArrowUp');
  await focusIs(page, 'Delete for everybody');
  await press(page, 'Enter');
  await page.waitForSelector('text=Deleted');
  await focusIs(page, 'More');
});

await check('a press elsewhere closes a menu', 'part=ui', async (page) => {
  await page.click('button[aria-label="More"]');
  await page.mouse.click(600, 780);
  await page.waitForSelector('[role=menu]', { state: 'detached' });
  await page.click('button[aria-label="More"]');
  await page.click('button[aria-label="More"]');
  await page.waitForSelector('[role=menu]', { state: 'detached' });
});

await check('a notice can be undone', 'part=ui', async (page) => {
  await page.click('button[aria-label="More"]');
  await page.click('text=Delete for everybody');
  await page.click('.toast button:has-text("Undo")');
  await page.waitForSelector('text=It is back');
  assert.equal(await page.locator('.toast').count(), 1);
});

await check('a dialog keeps the focus and gives it back', 'part=ui', async (page) => {
  await page.focus('button:has-text("Dialog")');
  await press(page, 'Enter');
  await page.waitForSelector('dialog[open]');
  const inside = () => page.evaluate(() => document.querySelector('dialog[open]')?.contains(document.activeElement) ?? false);
  await page.waitForFunction(() => document.activeElement?.tagName === 'INPUT');
  for (let i = 0; i < 12; i += 1) {
    await press(page, 'Tab');
    assert.ok(await inside(), 'Tab left the dialog');
  }
  for (let i = 0; i < 12; i += 1) {
    await press(page, 'Shift+Tab');
    assert.ok(await inside(), 'Shift+Tab left the dialog');
  }
  await page.click('dialog button:has-text("A menu in here")');
  await page.waitForSelector('[role=menu]');
  await press(page, 'Escape');
  await page.waitForSelector('[role=menu]', { state: 'detached' });
  assert.ok(await page.locator('dialog[open]').count(), 'Escape in the menu closed the dialog');
  await press(page, 'Escape');
  await page.waitForSelector('dialog', { state: 'detached' });
  await focusIs(page, 'Dialog');
});

await check('a press beside a dialog closes it, a selection dragged out does not', 'part=ui&dialog', async (page) => {
  const box = await page.locator('dialog input').first().boundingBox();
  await page.mouse.move(box.x + 20, box.y + 10);
  await page.mouse.down();
  await page.mouse.move(20, 20);
  await page.mouse.up();
  assert.equal(await page.locator('dialog[open]').count(), 1);
  await page.mouse.click(20, 20);
  await page.waitForSelector('dialog', { state: 'detached' });
});

await check('a popover takes the focus and gives it back', 'part=ui', async (page) => {
  await page.focus('button:has-text("Popover")');
  await press(page, 'Enter');
  await page.waitForFunction(() => document.activeElement?.closest('.popover'));
  await press(page, 'Escape');
  await page.waitForSelector('.popover', { state: 'detached' });
  await focusIs(page, 'Popover');
});

await check('a tooltip comes with the focus and goes with Escape', 'part=ui', async (page) => {
  await page.focus('button[aria-label="React"]');
  await press(page, 'Tab');
  await page.waitForSelector('.tooltip:has-text("Bold")');
  await press(page, 'Escape');
  await page.waitForSelector('.tooltip', { state: 'detached' });
});

await check('emoji are searched, walked through and picked by keys', 'part=emoji', async (page) => {
  await page.waitForSelector('.cell');
  await page.keyboard.type('tada');
  await press(page, 'Enter');
  await page.waitForSelector('.toast:has-text("🎉")');
  await press(page, 'Escape');
  assert.equal(await page.inputValue('[role=searchbox]'), '');
  await press(page, 'ArrowDown');
  await focusIs(page, 'thumbs up');
  await press(page, 'ArrowRight');
  await focusIs(page, 'red heart');
  await press(page, 'ArrowDown');
  await focusIs(page, 'grinning face with big eyes');
  await press(page, 'ArrowUp', 'ArrowUp');
  await focusIs(page, 'Search emoji');
  assert.equal(await page.locator('.cell[tabindex="0"]').count(), 1, 'one stop of the Tab key');
});

await check('emoji that were used come first the next time, in the chosen skin tone', 'part=emoji', async (page) => {
  await page.waitForSelector('.cell');
  await page.click('.tones button');
  await page.click('[aria-label="Medium skin tone"]');
  await page.keyboard.press('Tab');
  await page.fill('[role=searchbox]', 'wave');
  await page.click('.cell >> nth=0');
  await page.reload();
  await page.waitForSelector('.cell');
  assert.equal(await page.locator('.cell').first().textContent(), '👋🏽');
});

await check('a picker in a popover closes with its choice, and the focus goes back', 'part=emoji', async (page) => {
  await page.waitForSelector('.cell');
  await page.click('button:has-text("React")');
  await page.waitForSelector('.popover .cell');
  await page.keyboard.type('rocket');
  await press(page, 'Enter');
  await page.waitForSelector('.popover', { state: 'detached' });
  await focusIs(page, 'React');
});

await check('code is coloured and copied', 'part=markup', async (page) => {
  await page.waitForSelector('pre .keyword');
  await page.hover('figure.code >> nth=0');
  await page.click('figure.code >> nth=0 >> button[aria-label="Copy the code"]');
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^\/\/\/ Adds two numbers\.\nfn add/);
});

await check('nothing hostile becomes an element', 'part=markup', async (page) => {
  assert.equal(await page.locator('.message script, .message img, .message iframe').count(), 0);
  for (const href of await page.locator('.message a').evaluateAll((links) => links.map((a) => a.protocol))) assert.match(href, /^(https?|mailto|xmpp):$/);
});

await check('people are walked through by keys', 'part=panes&person=none', async (page) => {
  await page.focus('.pane input');
  await press(page, 'ArrowDown');
  await focusIs(page, 'AB');
  await press(page, 'ArrowDown', 'Enter');
  await page.waitForSelector('article[aria-label="王小明"]');
});

await check('a poll counts the vote', 'part=panes', async (page) => {
  const option = page.locator('.poll >> nth=0 >> .option >> nth=1');
  await option.click();
  assert.equal(await option.getAttribute('aria-checked'), 'true');
  await page.waitForSelector('text=4 people voted');
  await option.click();
  assert.equal(await option.getAttribute('aria-checked'), 'false');
});

await check('keywords are added and removed by keys', 'part=panes', async (page) => {
  await page.getByLabel('Words to be told of').last().focus();
  await page.keyboard.type('release,');
  await page.waitForSelector('li:has(button[aria-label="Remove release"])');
  await press(page, 'Backspace');
  await page.waitForSelector('li:has(button[aria-label="Remove release"])', { state: 'detached' });
});

await check('a picture is zoomed, moved and turned over by keys', 'part=panes&viewer=0', async (page) => {
  await page.waitForSelector('.viewer img.loaded');
  await press(page, '+', '+');
  assert.match(await page.textContent('.scale'), /196/);
  await press(page, 'ArrowRight');
  assert.match(await page.getAttribute('.viewer', 'aria-label'), /picture-0/);
  await press(page, '0', 'ArrowRight');
  assert.match(await page.getAttribute('.viewer', 'aria-label'), /picture-1/);
  await page.mouse.move(640, 400);
  await page.mouse.wheel(0, -300);
  await page.waitForFunction(() => !/100/.test(document.querySelector('.scale')?.textContent ?? ''));
  await press(page, 'Escape');
  await page.waitForSelector('.viewer', { state: 'detached' });
});

await check('a voice message is recorded, listened to and sent', 'part=panes&recorder', async (page) => {
  await page.waitForSelector('.recorder [aria-label="Pause the recording"]');
  // Something has to be recorded, which takes its time.
  await page.waitForTimeout(1500);
  await page.click('[aria-label="Pause the recording"]');
  const at = await page.textContent('.recorder .time');
  // Longer than a second, so that a clock that goes on is seen.
  await page.waitForTimeout(1200);
  assert.equal(await page.textContent('.recorder .time'), at, 'the time stands still while paused');
  await page.click('[aria-label="Go on recording"]');
  await page.click('[aria-label="Stop and listen"]');
  await page.click('.recorder [aria-label="Play"]');
  await page.waitForSelector('.recorder [aria-label="Pause"]');
  await page.click('[aria-label="Send the recording"]');
  await page.waitForSelector('.toast:has-text("voice-")');
  assert.match(await page.textContent('.toast'), /\.webm, [1-9]\d{3}(\.\d+)? ms, [1-9]\d{3,} bytes/);
});

await check('a moment in the past is refused', 'part=panes&schedule', async (page) => {
  await page.fill('dialog input[type=date]', '2020-01-01');
  await page.click('dialog button[type=submit]');
  assert.ok(await page.locator('dialog[open]').count());
  await page.click('dialog button:has-text("Tomorrow morning")');
  await page.waitForSelector('.toast');
});

const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
for (const part of ['ui', 'panes', 'emoji', 'markup']) {
  await check(`fingers hit every control of ${part}`, `part=${part}`, async (page) => {
    // Controls that move in are measured where they come to rest.
    await page.waitForTimeout(600);
    const small = await page.evaluate(() => {
      // Ten tabs share the width of a telephone.
      const tabs = new Set([...document.querySelectorAll('.tab')].map((tab) => tab.getAttribute('aria-label')));
      return [...document.querySelectorAll('main button, main select, main input, main a.download')]
        .filter((e) => e.checkVisibility({ contentVisibilityAuto: true }) && !e.closest('p, .unseen') && !e.classList.contains('mention'))
        .map((e) => {
          // A label is pressed as well as what it names.
          const box = (e.closest('label') ?? e.closest('.box, .search') ?? e).getBoundingClientRect();
          return { what: (e.getAttribute('aria-label') ?? e.textContent ?? '').trim().slice(0, 30) || e.className, width: Math.round(box.width), height: Math.round(box.height) };
        })
        .filter(({ what, width, height }) => height < 40 || (width < 40 && !tabs.has(what)));
    });
    assert.deepEqual(small, []);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0, 'wider than the page');
  }, phone);
}

await browser.close();
console.log(failures === 0 ? 'all parts work' : `${failures} failed`);
process.exitCode = failures === 0 ? 0 : 1;
