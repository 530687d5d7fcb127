// Starts the server that is tested on a folder of its own, as somebody does who has just built it, and stops it again.
import { spawn, type ChildProcess } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { preview, type PreviewServer } from 'vite';
import { PATIENCE_MS } from './wait';

export interface Account {
  address: string;
  password: string;
  name: string;
}

/** A folder with a build of the client, which then comes from there: whoever works on the client need not build the server. */
const PAGES = process.env.WAXWING_WEB_OUT;

export class Server {
  /** What it has printed. */
  printed = '';
  #child: ChildProcess | undefined;
  #pages: PreviewServer | undefined;
  #ports = { http: 0, https: 0, xmpp: 0, xmpp_tls: 0 };

  private constructor(
    readonly binary: string,
    readonly folder: string,
    private readonly sections: string,
  ) {}

  /** Starts it with nothing of its own configured but where it listens; `sections` are added to the configuration. */
  static async start(binary: string, sections = ''): Promise<Server> {
    const server = new Server(binary, mkdtempSync(join(tmpdir(), 'waxwing-web-')), sections);
    await server.launch();
    return server;
  }

  get #config(): string {
    return join(this.folder, 'waxwing.toml');
  }

  get url(): string {
    return this.#pages?.resolvedUrls?.local[0] ?? `http://localhost:${this.#ports.http}/`;
  }

  get xmpp(): { host: string; port: number } {
    return { host: '127.0.0.1', port: this.#ports.xmpp };
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts the process on the folder as it is, on the ports that it had before, if it had any. */
  async launch(): Promise<void> {
    this.#configure();
    const child = spawn(this.binary, ['--config', this.#config], { stdio: ['ignore', 'pipe', 'pipe'], cwd: this.folder });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (this.printed += String(data)));
    const addresses = await within(PATIENCE_MS, 'The server did not start.', async () => {
      for (;;) {
        if (child.exitCode !== null) throw new Error(`The server ended:\n${this.printed}`);
        const found = this.#addresses();
        if (found && (await fetch(`http://${found.http}/api/about`).then((answer) => answer.ok, () => false))) return found;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    });
    const portOf = (name: string): number => Number(addresses[name]?.split(':').at(-1) ?? 0);
    this.#ports = { http: portOf('http'), https: portOf('https'), xmpp: portOf('xmpp'), xmpp_tls: portOf('xmpps') };
    // Whoever restarts it finds it where it was.
    this.#configure();
    if (PAGES !== undefined && this.#pages === undefined) this.#pages = await this.#serve(PAGES);
  }

  /** Serves a build of the client, with the server behind it. */
  async #serve(outDir: string): Promise<PreviewServer> {
    // The configuration reads where the server is.
    process.env.WAXWING_URL = `http://127.0.0.1:${this.#ports.http}`;
    return preview({ root: fileURLToPath(new URL('..', import.meta.url)), logLevel: 'error', build: { outDir }, preview: { host: 'localhost', port: await freePort(), strictPort: true } });
  }

  #configure(): void {
    const listen = Object.entries(this.#ports).map(([name, port]) => `${name} = ["127.0.0.1:${port}"]`);
    // Names in tests are nobody's, so no other server is looked for.
    writeFileSync(this.#config, `data_dir = "${this.folder}/data"\n[listen]\n${listen.join('\n')}\n[federation]\nenabled = false\n${this.sections}\n`);
  }

  /** Where it says that it listens; it removes the file when it stops. */
  #addresses(): Record<string, string> | undefined {
    try {
      return JSON.parse(readFileSync(join(this.folder, 'data/addresses.json'), 'utf8')) as Record<string, string>;
    } catch {
      return undefined;
    }
  }

  /** Ends the process, and leaves the folder. */
  async halt(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill(signal);
    await within(PATIENCE_MS, 'The server did not stop.', () => ended);
  }

  async stop(): Promise<void> {
    await this.#pages?.close();
    await this.halt('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Runs one of its commands. */
  async admin(args: string[], input = ''): Promise<string> {
    const child = spawn(this.binary, ['--config', this.#config, ...args], { stdio: ['pipe', 'pipe', 'pipe'], cwd: this.folder });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said += String(data)));
    child.stdin.end(input);
    const code = await new Promise((resolve) => child.once('close', resolve));
    if (code !== 0) throw new Error(`waxwing ${args.join(' ')}: ${said}`);
    return said;
  }

  async user(user: string, name: string): Promise<Account> {
    const account = { address: `${user}@localhost`, password: `${user}-wherefore-art-thou`, name };
    await this.admin(['user', 'add', account.address, '--name', name, '--password-stdin'], `${account.password}\n`);
    return account;
  }
}

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

async function within<T>(ms: number, complaint: string, work: () => Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(new Error(complaint)), ms)));
  try {
    return await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}
