// Somebody on profanity, an XMPP client in a terminal, whose window tmux keeps: types for him, and reads what he is shown.
import { execFileSync, execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Account } from './server';
import { PATIENCE_MS } from './wait';

const run = promisify(execFile);
/** What a screen is read again after, in milliseconds. */
const AGAIN_MS = 100;

export class Profanity {
  private constructor(
    readonly account: Account,
    private readonly folder: string,
  ) {}

  /** Opens a window and signs in. */
  static async open(account: Account, { host, port }: { host: string; port: number }): Promise<Profanity> {
    const folder = mkdtempSync(join(tmpdir(), 'waxwing-profanity-'));
    const one = new Profanity(account, folder);
    for (const name of ['config', 'data', 'cache']) mkdirSync(join(folder, name));
    const home = `HOME=${folder} XDG_CONFIG_HOME=${folder}/config XDG_DATA_HOME=${folder}/data XDG_CACHE_HOME=${folder}/cache`;
    await one.#tmux('new-session', '-d', '-s', 'one', '-x', '200', '-y', '90', `env ${home} LANG=C.UTF-8 TERM=screen-256color profanity`);
    await one.shows('Profanity');
    await one.type('/splash off');
    // What others do to a message is to be seen, and titles and colours are not.
    for (const line of ['/correction on', '/receipts request on', '/receipts send on', '/states on', '/outtype on', '/autoaway mode off', '/roster hide', '/occupants default hide', '/privacy logging off']) await one.type(line);
    await one.reconnect({ host, port });
    return one;
  }

  /** Signs in, again or for the first time. */
  async reconnect({ host, port }: { host: string; port: number }): Promise<void> {
    await this.type('/win 1');
    await this.type('/clear');
    await this.type(`/connect ${this.account.address} server ${host} port ${port} tls trust`);
    await this.shows('Enter password');
    await this.type(this.account.password);
    await this.shows('logged in successfully');
  }

  #tmux(...args: string[]): Promise<{ stdout: string }> {
    return run('tmux', ['-S', join(this.folder, 'tmux'), '-f', '/dev/null', ...args]);
  }

  /** Types a line and sends it. */
  async type(line: string): Promise<void> {
    await this.#tmux('send-keys', '-t', 'one', '-l', '--', line);
    await this.#tmux('send-keys', '-t', 'one', 'Enter');
  }

  /** Types without sending. */
  async begin(text: string): Promise<void> {
    await this.#tmux('send-keys', '-t', 'one', '-l', '--', text);
  }

  /** Deletes what was typed. */
  async clear(): Promise<void> {
    await this.#tmux('send-keys', '-t', 'one', 'C-u');
  }

  async screen(): Promise<string> {
    const { stdout } = await this.#tmux('capture-pane', '-p', '-J', '-t', 'one');
    // Wide letters are followed by a blank in what tmux tells, and long lines are cut where the window ends.
    return stdout;
  }

  /** Waits until the window that is open shows a text; what the screen says then. */
  async shows(text: string | RegExp): Promise<string> {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
      const screen = await this.screen();
      if (typeof text === 'string' ? screen.includes(text) : text.test(screen)) return screen;
      if (Date.now() > end) throw new Error(`profanity never shows ${String(text)}:\n${screen.replace(/(?:[ \t]*\n)+/g, '\n')}`);
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }

  /** Goes to the conversation with somebody. */
  async talkTo(address: string): Promise<void> {
    // In a room the command is for somebody who is there.
    await this.type('/win 1');
    await this.type(`/msg ${address}`);
  }

  /** Goes to a room, and into it. */
  async enter(room: string): Promise<void> {
    await this.type(`/join ${room}`);
  }

  close(): void {
    try {
      execFileSync('tmux', ['-S', join(this.folder, 'tmux'), 'kill-server'], { stdio: 'ignore' });
    } catch {
      // It has ended by itself.
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
