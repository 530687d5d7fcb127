// Files that people send: pictures, sound and film, by every way into the composer, and what goes wrong on the way.
import type { Locator, Page, Route } from 'playwright-core';
import type { Person } from '../person';
import type { Feature } from '../stage';
import { until } from '../wait';

const PICTURE = 'iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAALUlEQVR4nGM8EWXDQEvARFPTRy0YtWDUglELRi0YtWDUglELRi0YtWDUAioCACK+AZ4xAAKmAAAAAElFTkSuQmCC';

interface Sent {
  name: string;
  mimeType: string;
  buffer: Buffer;
}

const picture = (name: string): Sent => ({ name, mimeType: 'image/png', buffer: Buffer.from(PICTURE, 'base64') });

/** A second of a tone of 440 Hz, as a WAV file of 8,000 samples of a byte. */
function tone(name: string): Sent {
  const samples = Buffer.from(Array.from({ length: 8_000 }, (_, n) => 128 + Math.round(60 * Math.sin((2 * Math.PI * 440 * n) / 8_000))));
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + samples.length, 4);
  head.write('WAVEfmt ', 8);
  for (const [value, at] of [[16, 16], [8_000, 24], [8_000, 28]] as const) head.writeUInt32LE(value, at);
  for (const [value, at] of [[1, 20], [1, 22], [1, 32], [8, 34]] as const) head.writeUInt16LE(value, at);
  head.write('data', 36);
  head.writeUInt32LE(samples.length, 40);
  return { name, mimeType: 'audio/wav', buffer: Buffer.concat([head, samples]) };
}

/** A film of a few frames, as the browser itself records it. */
async function film(page: Page, name: string): Promise<Sent> {
  const data = await page.evaluate(async () => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 160, height: 90 });
    const pen = canvas.getContext('2d');
    const recorder = new MediaRecorder(canvas.captureStream(20), { mimeType: 'video/webm' });
    const parts: Blob[] = [];
    recorder.ondataavailable = ({ data }) => void parts.push(data);
    const done = new Promise((resolve) => (recorder.onstop = resolve));
    recorder.start();
    for (let n = 0; n < 10; n += 1) {
      if (pen) {
        pen.fillStyle = `hsl(${n * 36} 70% 50%)`;
        pen.fillRect(0, 0, 160, 90);
      }
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
    recorder.stop();
    await done;
    const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
    return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
  });
  return { name, mimeType: 'video/webm', buffer: Buffer.from(data, 'base64') };
}

/** Has files come into the page as the clipboard and the mouse bring them. */
async function bring(target: Locator, kind: 'paste' | 'drop', file: Sent): Promise<void> {
  await target.evaluate(
    (element, [kind, name, type, data]) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name, { type }));
      if (kind === 'paste') {
        element.dispatchEvent(new ClipboardEvent('paste', { clipboardData: transfer, bubbles: true, cancelable: true }));
        return;
      }
      for (const name of ['dragenter', 'dragover', 'drop']) element.dispatchEvent(new DragEvent(name, { dataTransfer: transfer, bubbles: true, cancelable: true }));
    },
    [kind, file.name, file.mimeType, file.buffer.toString('base64')] as const,
  );
}

const choose = (person: Person, ...files: Sent[]): Promise<void> => person.main.locator('[data-region="composer"] input[type="file"]').setInputFiles(files);

const toSend = (person: Person): Locator => person.main.getByRole('list', { name: person.say('composer.files') });

/** Waits until what is to be sent has arrived at the server, and sends it. */
async function send(person: Person): Promise<void> {
  await until('the files have arrived', async () => (await toSend(person).locator('progress').count()) === 0);
  await person.send();
  await toSend(person).waitFor({ state: 'detached' });
}

const isUpload = (route: Route): boolean => route.request().method() === 'PUT';

export const FILES: readonly Feature[] = [
  {
    name: 'pictures, and looking at them',
    async run({ romeo, juliet, nurse, room, text }) {
      const [name, second] = [`${text('dove').replaceAll(' ', '-')}.png`, `${text('raven').replaceAll(' ', '-')}.png`];
      await nurse.enter(room);
      await romeo.open(room);
      await juliet.open(room);
      await choose(romeo, picture(name), picture(second));
      await send(romeo);
      await juliet.page.waitForFunction((name) => [...document.images].some((i) => i.alt === name && i.complete && i.naturalWidth > 0), name);
      await nurse.shows(name);
      await juliet.button('file.view', { name }, juliet.main).click();
      const viewer = juliet.page.getByRole('dialog', { name: juliet.say('viewer.title', { name }) });
      await viewer.locator('img.loaded').first().waitFor();
      await juliet.page.keyboard.press('ArrowRight');
      await juliet.page.getByRole('dialog', { name: juliet.say('viewer.title', { name: second }) }).waitFor();
      await juliet.page.keyboard.press('Escape');
      const files = await juliet.beside(room, 'panel=files');
      await files.getByRole('button', { name: juliet.like('shared.openPicture', { name }) }).click();
      await viewer.waitFor();
      await juliet.page.keyboard.press('ArrowRight');
      await juliet.page.getByRole('dialog', { name: juliet.say('viewer.title', { name: second }) }).waitFor();
      await juliet.page.keyboard.press('Escape');
    },
  },
  {
    name: 'sound and film',
    async run({ romeo, juliet, nurse, room, text }) {
      const [sound, moving] = [`${text('lute').replaceAll(' ', '-')}.wav`, `${text('dance').replaceAll(' ', '-')}.webm`];
      await nurse.enter(room);
      await romeo.open(room);
      await juliet.open(room);
      await choose(romeo, tone(sound), await film(romeo.page, moving));
      await send(romeo);
      const video = juliet.main.locator(`video[aria-label="${moving}"]`).last();
      await video.waitFor();
      await until('the film is there', () => video.evaluate((element) => (element as HTMLVideoElement).videoWidth === 160));
      const player = juliet.main.locator('article[data-message]').last();
      await juliet.button('voice.play', {}, player).click();
      await juliet.button('voice.pause', {}, player).or(juliet.button('voice.play', {}, player)).first().waitFor();
      check404(juliet);
      await nurse.shows(sound);
    },
  },
  {
    name: 'files of any kind, dragged and pasted',
    async run({ romeo, juliet, nurse, room, text }) {
      const [pasted, dropped] = [`${text('pasted').replaceAll(' ', '-')}.png`, `${text('dropped').replaceAll(' ', '-')}.pdf`];
      await nurse.enter(room);
      await romeo.open(room);
      await juliet.open(room);
      await bring(romeo.composer(), 'paste', picture(pasted));
      await toSend(romeo).getByText(pasted).waitFor();
      await send(romeo);
      await juliet.page.waitForFunction((name) => [...document.images].some((i) => i.alt === name && i.naturalWidth > 0), pasted);
      await bring(romeo.main.locator('[data-region="timeline"]'), 'drop', { name: dropped, mimeType: 'application/pdf', buffer: Buffer.from('%PDF-1.4\n%%EOF\n') });
      await toSend(romeo).getByText(dropped).waitFor();
      await send(romeo);
      const card = juliet.main.getByRole('link', { name: new RegExp(dropped) });
      await card.waitFor();
      const download = juliet.page.waitForEvent('download');
      await card.click();
      const stream = await (await download).createReadStream();
      let held = '';
      for await (const piece of stream) held += String(piece);
      if (!held.startsWith('%PDF-1.4')) throw new Error(`The file came as: ${held}`);
      await nurse.shows(dropped);
    },
  },
  {
    name: 'files that are cancelled, and that fail and are tried again',
    async run({ romeo, juliet, room, text }) {
      const [slow, broken] = [`${text('slow').replaceAll(' ', '-')}.png`, `${text('broken').replaceAll(' ', '-')}.png`];
      await romeo.open(room);
      await juliet.open(room);
      const { page } = romeo;
      let held: Route | undefined;
      const hold = async (route: Route): Promise<void> => {
        if (isUpload(route)) held = route;
        else await route.continue();
      };
      await page.route('**/*', hold);
      await choose(romeo, picture(slow));
      await until('the file is on its way', async () => held !== undefined);
      await toSend(romeo).locator('progress').waitFor();
      await romeo.button('ui.remove', { name: slow }, toSend(romeo)).click();
      await toSend(romeo).waitFor({ state: 'detached' });
      await held?.abort().catch(() => undefined);
      await page.unroute('**/*', hold);
      const fail = (route: Route): Promise<void> => (isUpload(route) ? route.abort() : route.continue());
      await page.route('**/*', fail);
      await choose(romeo, picture(broken));
      const item = toSend(romeo).locator('li', { hasText: broken });
      await item.getByText(romeo.like('composer.uploadFailed')).waitFor();
      await page.unroute('**/*', fail);
      await romeo.button('offline.retry', {}, item).click();
      await item.getByText(romeo.like('composer.uploadFailed')).waitFor({ state: 'detached' });
      await send(romeo);
      await juliet.page.waitForFunction((name) => [...document.images].some((i) => i.alt === name && i.naturalWidth > 0), broken);
    },
  },
  {
    name: 'voice messages',
    async run({ romeo, juliet, nurse, room }) {
      await nurse.enter(room);
      await romeo.open(room);
      await juliet.open(room);
      await romeo.more('composer.voice');
      const recorder = romeo.main.getByRole('group', { name: romeo.say('voice.recorder') });
      // Something has to be recorded.
      await recorder.getByRole('timer').filter({ hasNotText: '0:00' }).waitFor();
      await romeo.button('voice.listen', {}, recorder).click();
      await romeo.button('voice.play', {}, recorder).waitFor();
      await romeo.button('voice.send', {}, recorder).click();
      const player = juliet.main.locator('article[data-message]').last().getByText(juliet.say('file.voice')).or(juliet.main.locator('article[data-message]').last().getByLabel(juliet.say('file.voice')));
      await player.first().waitFor();
      await nurse.shows(/https?:\/\/\S*voice\S*\.(webm|ogg)/);
    },
  },
];

/** A file that the server does not give is heard of. */
function check404(person: Person): void {
  const missing = person.complaints.filter((line) => line.includes('404'));
  if (missing.length > 0) throw new Error(missing.join('\n'));
}
