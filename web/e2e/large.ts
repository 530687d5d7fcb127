// How fast the client and the interface are with a large organisation behind them: `large URL ADDRESS PASSWORD [PID]`. The server
// runs on what `cargo run --release -p waxwing-server --example populate` makes; with its process id the processor time is told too.
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { closeBrowser, openBrowser, openPage, signIn } from './browser';

/** How often each thing is measured; the one in the middle is told. */
const ROUNDS = 7;

const middle = (numbers: number[]): number => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? NaN;

/** Processor time of a process, in milliseconds: user and system, in ticks of 10 ms. */
function cpu(pid: string | undefined): number {
  if (pid === undefined) return NaN;
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

interface Answer {
  ms: number;
  bytes: number;
  found: string;
}

/** Opens a connection of its own in the page, which is at the server, and keeps it for `ask`. */
async function connect(page: Page, address: string, password: string): Promise<void> {
  await page.evaluate(
    async ([address, password]) => {
      const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/api/socket`, 'waxwing.v1');
      await new Promise((done, failed) => {
        socket.onopen = done;
        socket.onerror = () => failed(new Error('no connection'));
      });
      let number = 0;
      const ask = (method: string, params: object) =>
        new Promise<{ ms: number; bytes: number; result: Record<string, unknown> }>((done, failed) => {
          const id = ++number;
          const start = performance.now();
          const take = (event: MessageEvent<string>) => {
            const ms = performance.now() - start;
            const frame = JSON.parse(event.data) as { id?: number; result: Record<string, unknown>; error?: { message: string } };
            if (frame.id !== id) return;
            socket.removeEventListener('message', take);
            if (frame.error) failed(new Error(`${method}: ${frame.error.message}`));
            else done({ ms, bytes: event.data.length, result: frame.result });
          };
          socket.addEventListener('message', take);
          socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
        });
      Object.assign(window, { ask });
      const credentials = { type: 'password', address, password };
      await ask('session.sign_in', { protocol: 1, credentials, client: { name: 'large', device: crypto.randomUUID() } });
    },
    [address, password] as const,
  );
}

const ask = (page: Page, method: string, params: object): Promise<Answer> =>
  page.evaluate(
    async ([method, params]) => {
      const { ask } = window as unknown as { ask: (method: string, params: object) => Promise<{ ms: number; bytes: number; result: Record<string, unknown> }> };
      const { ms, bytes, result } = await ask(method, params);
      const counted = Object.entries(result).filter(([, value]) => Array.isArray(value));
      return { ms, bytes, found: counted.map(([name, value]) => `${(value as unknown[]).length} ${name}`).join(', ') };
    },
    [method, params] as const,
  );

/** Waits, in the page and from frame to frame, until something is there; how long that took. */
const until = (page: Page, ready: string): Promise<number> =>
  page.evaluate(
    (ready) =>
      new Promise<number>((done) => {
        const start = performance.now();
        const isReady = new Function(`return (${ready})`) as () => boolean;
        const look = () => (isReady() ? done(performance.now() - start) : requestAnimationFrame(look));
        look();
      }),
    ready,
  );

export default async function large(args: string[]): Promise<void> {
  const [url = '', address = '', password = '', pid] = args;
  if (password === '') throw new Error('large URL ADDRESS PASSWORD [PID]');
  const browser = await openBrowser();
  const say = (what: string, value: string) => console.log(`| ${what} | ${value} |`);
  try {
    const { page: bare } = await openPage(browser, 'bare');
    await bare.goto(url);
    await connect(bare, address, password);
    const { version, room, before } = await bare.evaluate(async () => {
      const { ask } = window as unknown as { ask: (method: string, params: object) => Promise<{ result: Record<string, unknown> }> };
      const { result } = await ask('sync.open', {});
      const rooms = (result['conversations'] as { kind: string; address: string; last?: { position: number } }[]).filter((one) => one.kind === 'room' && one.last);
      return { version: result['version'] as number, room: rooms[0]?.address ?? '', before: rooms[0]?.last?.position ?? 0 };
    });
    for (const [method, params] of [
      ['sync.open', {}],
      ['sync.changes', { since: version }],
      ['conversation.list', { limit: 50 }],
      ['conversation.history', { conversation: room, limit: 50 }],
      ['conversation.history', { conversation: room, limit: 50, before }],
      ['search.messages', { text: 'server', limit: 20 }],
      ['search.messages', { text: 'server from:p2', limit: 20 }],
      ['search.messages', { text: 'server', conversation: room, limit: 20 }],
      ['search.messages', { text: 'nobodysaysthis', limit: 20 }],
      ['people.search', { text: 'Ada', limit: 20 }],
      ['people.search', { text: '思远', limit: 20 }],
      ['people.search', { text: '', limit: 20 }],
    ] as [string, object][]) {
      const times: number[] = [];
      let last: Answer | undefined;
      const spent = cpu(pid);
      for (let round = 0; round < ROUNDS; round++) {
        last = await ask(bare, method, params);
        times.push(last.ms);
      }
      const each = (cpu(pid) - spent) / ROUNDS;
      const without = JSON.stringify(params).replace(room, 'ROOM').replace(String(version), 'NOW').replace(String(before), 'LAST');
      say(`\`${method}\` \`${without}\``, `${middle(times).toFixed(1)} ms, ${each.toFixed(0)} ms of processor time, ${last?.bytes ?? 0} bytes: ${last?.found ?? ''}`);
    }
    await bare.context().close();

    const { page, complaints } = await openPage(browser, address);
    const begin = Date.now();
    await page.goto(url);
    await page.getByLabel('Password', { exact: true }).waitFor();
    say('the sign-in page, nothing cached', `${Date.now() - begin} ms`);
    await signIn(page, url, address, password);
    const listed = "document.querySelectorAll('[data-conversation]').length > 0";
    await until(page, listed);
    // Once more as on the next day: signed in, and what was loaded is in the browser's cache, but not in its memory.
    const loads: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      await page.goto('about:blank');
      const start = Date.now();
      await page.goto(url, { waitUntil: 'commit' });
      await until(page, `${listed} && document.querySelector('main')`);
      loads.push(Date.now() - start);
    }
    say('loading anew until the list is there', `${middle(loads)} ms`);

    const names = await page.$$eval('[data-conversation]', (links) => links.slice(0, 24).map((link) => link.getAttribute('data-conversation') ?? ''));
    const switches: number[] = [];
    const again: number[] = [];
    for (const [times, list] of [
      [switches, names.slice(1)],
      [again, names.slice(1)],
    ] as const) {
      for (const name of list) {
        times.push(
          await page.evaluate(
            (name) =>
              new Promise<number>((done) => {
                const link = document.querySelector<HTMLElement>(`[data-conversation="${CSS.escape(name)}"]`);
                const start = performance.now();
                const before = document.querySelector('main [data-message]')?.getAttribute('data-message') ?? '';
                link?.click();
                const look = () => {
                  const now = document.querySelector('main [data-message]')?.getAttribute('data-message') ?? '';
                  if (now !== '' && now !== before) done(performance.now() - start);
                  else if (performance.now() - start > 5_000) done(NaN);
                  else requestAnimationFrame(look);
                };
                look();
              }),
            name,
          ),
        );
      }
    }
    say('going to a conversation for the first time', `${middle(switches).toFixed(0)} ms, at most ${Math.max(...switches).toFixed(0)} ms`);
    say('going back to one', `${middle(again).toFixed(0)} ms, at most ${Math.max(...again).toFixed(0)} ms`);

    const jumps: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      await page.keyboard.press('Control+k');
      await page.getByRole('dialog').getByRole('combobox').waitFor();
      await page.keyboard.type('budg');
      const start = Date.now();
      await page.keyboard.type('e');
      await page.getByRole('dialog').getByRole('option').first().waitFor();
      jumps.push(Date.now() - start);
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' }).catch(() => undefined);
    }
    say('a letter more in Ctrl+K until something is found', `${middle(jumps)} ms`);
    const session = await page.context().newCDPSession(page);
    await session.send('HeapProfiler.collectGarbage');
    const { usedSize } = await session.send('Runtime.getHeapUsage');
    say('memory of the page, with that many conversations seen', `${(usedSize / 1e6).toFixed(1)} MB`);
    for (const complaint of complaints) console.log(complaint);
  } finally {
    await closeBrowser(browser);
  }
}
