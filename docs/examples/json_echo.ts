// Answers whatever is said to it alone with the same words, in a program that a compiler has looked over. From the repository's root:
//
//   tsc --ignoreConfig --strict --target es2022 --module esnext --lib es2022,dom --outDir out docs/examples/json_echo.ts
//   WAXWING_PASSWORD=… node --experimental-websocket out/json_echo.js wss://chat.example.org bob@example.org [HOW_OFTEN]
import type { Event, Frame, Methods, Told } from '../api';

declare const process: { argv: string[]; env: Record<string, string | undefined>; exit(code: number): never };

type Waiting = { done: (result: never) => void; failed: (error: Error) => void };

/** One connection: requests and their answers, and what to do with events. */
class Face {
  private readonly waiting = new Map<number, Waiting>();
  private number = 0;

  constructor(
    private readonly socket: WebSocket,
    private readonly onevent: (event: Event) => void,
  ) {
    socket.onmessage = (incoming: MessageEvent<string>) => this.take(JSON.parse(incoming.data) as Frame);
  }

  private take(frame: Frame): void {
    if ('method' in frame) {
      this.onevent(frame.params);
      return;
    }
    const waiting = typeof frame.id === 'number' ? this.waiting.get(frame.id) : undefined;
    if (waiting === undefined) return;
    if ('error' in frame) waiting.failed(new Error(frame.error.message));
    else waiting.done(frame.result as never);
  }

  /** The compiler knows what each method takes, and what it answers. */
  call<M extends keyof Methods>(method: M, params: Methods[M]['params']): Promise<Methods[M]['result']> {
    const id = ++this.number;
    this.socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
    return new Promise((done, failed) => this.waiting.set(id, { done, failed }));
  }
}

const [server = '', address = '', often = '0'] = process.argv.slice(2);
const socket = new WebSocket(`${server.replace(/\/$/, '')}/api/socket`, 'waxwing.v1');
let left = Number(often);

const face = new Face(socket, (event) => {
  if (event.type === 'message') void answer(event.message);
});

async function answer(message: Told.Message): Promise<void> {
  // What one says oneself on another device is told as well.
  if (message.kind !== 'message' || message.from.address === address || message.conversation !== message.from.address) return;
  // An event is told again after a broken connection: named after the message, the answer is sent once.
  await face.call('message.send', { conversation: message.conversation, client_id: `echo of ${message.id}`, text: message.text });
  console.log(`echoed: ${message.text}`);
  left -= 1;
  if (left === 0) process.exit(0);
}

socket.onerror = () => {
  console.error('the connection broke');
  process.exit(1);
};
socket.onopen = async () => {
  const credentials = { type: 'password', address, password: process.env['WAXWING_PASSWORD'] ?? '' } as const;
  const client = { name: 'json_echo.ts', device: `echo at ${address}` };
  const { account } = await face.call('session.sign_in', { protocol: 1, credentials, client });
  const { conversations } = await face.call('sync.open', {});
  console.log(`ready: ${account.name}`);
  // What was said before it came is in what it is given to begin with, and not told as an event.
  for (const { unread, last } of conversations) if (unread > 0 && last !== undefined) await answer(last);
};
