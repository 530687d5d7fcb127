// What a feature is played on: two people at browsers, one on profanity, a room in which all three are, and a server for them.
import type { Browser } from 'playwright-core';
import { Caller } from './caller';
import { nameOf, type Look } from './looks';
import { Person } from './person';
import type { Profanity } from './profanity';
import type { Account, Server } from './server';

export interface Feature {
  /** As the checklist in docs/testing.md names it. */
  name: string;
  run: (stage: Stage) => Promise<void>;
}

export interface Accounts {
  romeo: Account;
  juliet: Account;
  nurse: Account;
}

/** Each stage has a room of its own, and no two are named alike. */
let halls = 0;

export class Stage {
  readonly folder: string | undefined;
  room = '';
  roomName = '';
  #count = 0;
  #opened: Person[] = [];

  private constructor(
    readonly server: Server,
    readonly browser: Browser,
    readonly accounts: Accounts,
    readonly romeo: Person,
    readonly juliet: Person,
    /** On profanity. */
    readonly nurse: Profanity,
    folder: string | undefined,
  ) {
    this.folder = folder;
  }

  static async open(server: Server, browser: Browser, accounts: Accounts, nurse: Profanity, look: Look, folder: string | undefined): Promise<Stage> {
    const [romeo, juliet] = await Promise.all([Person.open(browser, server.url, accounts.romeo, look, MEDIA), Person.open(browser, server.url, accounts.juliet, look, MEDIA)]);
    const stage = new Stage(server, browser, accounts, romeo, juliet, nurse, folder);
    stage.#opened.push(romeo, juliet);
    await Promise.all([romeo.signIn(), juliet.signIn()]);
    // Direct conversations that are in the list need not be looked for by each feature.
    const caller = await Caller.open(romeo.page, accounts.romeo);
    await caller.call('conversation.open', { conversation: accounts.juliet.address });
    await caller.call('conversation.open', { conversation: accounts.nurse.address });
    // It may be hidden, where a feature has failed.
    await caller.call('conversation.configure', { conversation: accounts.nurse.address, settings: { hidden: false } });
    await (await Caller.open(juliet.page, accounts.juliet)).call('conversation.open', { conversation: accounts.romeo.address });
    halls += 1;
    stage.roomName = `Hall${halls} ${nameOf(look)}`;
    const others = [accounts.juliet.address, accounts.nurse.address];
    const { room } = await caller.call('room.create', { name: stage.roomName, public: true, members_only: false, members: others });
    stage.room = room.address;
    await nurse.enter(room.address);
    await romeo.row(room.address).waitFor();
    await juliet.row(room.address).waitFor();
    await romeo.row(accounts.nurse.address).waitFor();
    return stage;
  }

  /** A text that nobody has written before. */
  text = (words: string): string => {
    this.#count += 1;
    return `${words} ${Date.now().toString(36)}${this.#count}`;
  };

  /** Somebody's second device, in a browser of its own. */
  device = async (account: Account): Promise<Person> => {
    const person = await this.stranger(account);
    await person.signIn();
    return person;
  };

  /** Somebody without an account of those, or at a page of his own. */
  stranger = async (account: Account, url = this.server.url): Promise<Person> => {
    const person = await Person.open(this.browser, url, account, this.romeo.look, MEDIA);
    this.#opened.push(person);
    return person;
  };

  /** What the pages complained of, but of the outages and the lost file that were made. */
  get complaints(): string[] {
    return this.#opened.flatMap((person) => person.complaints).filter((line) => !/ERR_INTERNET_DISCONNECTED|ERR_CONNECTION_(?:REFUSED|RESET)|ERR_EMPTY_RESPONSE|ERR_FAILED.*\/broken-/.test(line));
  }

  shoot = async (name: string): Promise<void> => {
    await this.romeo.shoot(this.folder, `${name}-romeo`);
    await this.juliet.shoot(this.folder, `${name}-juliet`);
  };

  async close(): Promise<void> {
    for (const person of this.#opened) await person.page.context().close();
  }
}

const MEDIA = { permissions: ['microphone', 'notifications', 'clipboard-read', 'clipboard-write'] };
