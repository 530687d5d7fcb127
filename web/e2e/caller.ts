// A second way to the server from a page: the JSON face without the client's own care for what it sends.
import type { Page } from 'playwright-core';
import type { Method, Params, Result } from '$lib/api';
import type { Account } from './server';

type Call = (method: string, params: unknown) => Promise<unknown>;

export class Caller {
  private constructor(private readonly page: Page) {}

  /** Signs in on a connection of its own, as a device of its own. The page is at the server already. */
  static async open(page: Page, { address, password }: Pick<Account, 'address' | 'password'>): Promise<Caller> {
    await page.evaluate(
      async ([address, password]) => {
        const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/api/socket`, 'waxwing.v1');
        const waiting = new Map<number, (frame: { result?: unknown; error?: { message: string } }) => void>();
        let id = 0;
        socket.onmessage = ({ data }) => {
          const frame = JSON.parse(data) as { id: number; result?: unknown; error?: { message: string } };
          waiting.get(frame.id)?.(frame);
        };
        await new Promise((resolve, reject) => {
          socket.onopen = resolve;
          socket.onerror = () => reject(new Error('no connection'));
        });
        const call = (method: string, params: unknown): Promise<unknown> =>
          new Promise((resolve, reject) => {
            id += 1;
            waiting.set(id, ({ result, error }) => (error ? reject(new Error(`${method}: ${error.message}`)) : resolve(result)));
            socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
          });
        Object.assign(window, { call });
        await call('session.sign_in', { protocol: 1, credentials: { type: 'password', address, password }, client: { name: 'Script', device: `script-${address}` } });
      },
      [address, password] as const,
    );
    const caller = new Caller(page);
    await caller.call('sync.open', {});
    return caller;
  }

  call<M extends Method>(method: M, params: Params<M>): Promise<Result<M>> {
    return this.page.evaluate(([m, p]) => (window as unknown as { call: Call }).call(m, p), [method, params] as const) as Promise<Result<M>>;
  }
}
