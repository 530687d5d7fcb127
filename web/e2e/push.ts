// Web Push from end to end, without a browser maker's service: the client subscribes, the server pushes to a service of the test, which
// decrypts it, and the browser's service worker is given what was in it: `push BINARY [FOLDER]`.
import type { BrowserContext, CDPSession, Page } from 'playwright-core';
import { closeBrowser, openBrowser } from './browser';
import { Caller } from './caller';
import type { Look } from './looks';
import { Person } from './person';
import { PushService, type Pushed } from './push-service';
import { Server } from './server';
import { check, until } from './wait';

const LOOK: Look = { width: 'wide', scheme: 'light', language: 'en' };

interface Notice {
  title: string;
  body: string;
}

/** The service worker of a browser, by way of the developer tools. */
class Worker {
  private constructor(
    private readonly client: CDPSession,
    private readonly context: BrowserContext,
    private readonly origin: string,
    private readonly registrationId: string,
  ) {}

  /** From a page of the same origin that stays. */
  static async find(page: Page, origin: string): Promise<Worker> {
    const context = page.context();
    const client = await context.newCDPSession(page);
    const found = new Promise<string>((resolve) => {
      client.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }: { registrations: { registrationId: string; scopeURL: string; isDeleted: boolean }[] }) => {
        for (const one of registrations) if (one.scopeURL.startsWith(origin) && !one.isDeleted) resolve(one.registrationId);
      });
    });
    await client.send('ServiceWorker.enable');
    return new Worker(client, context, origin, await found);
  }

  deliver(text: string): Promise<unknown> {
    return this.client.send('ServiceWorker.deliverPushMessage', { origin: this.origin, registrationId: this.registrationId, data: text });
  }

  /** What it shows the reader now. */
  async shown(): Promise<Notice[]> {
    const [worker] = this.context.serviceWorkers();
    if (!worker) return [];
    return worker.evaluate(async () => {
      const { registration } = self as unknown as { registration: ServiceWorkerRegistration };
      return (await registration.getNotifications()).map(({ title, body }) => ({ title, body }));
    });
  }
}

export default async function push([binary = '', folder]: string[]): Promise<void> {
  if (binary === '') throw new Error('push BINARY [FOLDER]');
  const service = await PushService.start();
  const server = await Server.start(binary, '[integrations]\nprivate_networks = ["127.0.0.0/8"]');
  const browser = await openBrowser();
  const step = (what: string): void => console.log(`${what}: done`);
  try {
    const [romeo, juliet] = [await server.user('romeo', 'Romeo Montague'), await server.user('juliet', 'Juliet Capulet')];
    const his = await Person.open(browser, server.url, romeo, LOOK, { permissions: ['notifications'] });
    const context = his.page.context();
    // What a browser gets from its maker's push service, it gets from the one of the test.
    await context.addInitScript((subscription) => {
      let current: object | null = null;
      PushManager.prototype.getSubscription = () => Promise.resolve(current as PushSubscription | null);
      PushManager.prototype.subscribe = (options) => {
        current = { endpoint: subscription.endpoint, options, toJSON: () => subscription, unsubscribe: () => Promise.resolve(true) };
        return Promise.resolve(current as PushSubscription);
      };
    }, service.subscription);
    await his.signIn();
    await his.page.waitForFunction(() => navigator.serviceWorker.ready.then(() => true));
    const hers = await Person.open(browser, server.url, juliet, LOOK);
    await hers.signIn();
    const caller = await Caller.open(hers.page, juliet);
    /** The next push with a text in it. */
    const pushed = async (text: string, patience_ms = 30_000): Promise<Pushed> => {
      let came: Pushed | undefined;
      await until(`${text} is pushed`, async () => ((came = service.take())?.text.includes(text) ?? false), patience_ms);
      return came as Pushed;
    };

    // The button in the settings asks the browser, and tells the server.
    await his.page.evaluate(() => Object.defineProperty(Notification, 'permission', { configurable: true, get: () => 'default' }));
    const dialog = await his.settings('settings.notifications');
    const permit = his.button('notify.permit', {}, dialog);
    await permit.click();
    // It goes when the server knows the subscription.
    await permit.waitFor({ state: 'detached' });
    await his.closeAll();
    step('a browser subscribes');

    // He leaves: the page is closed, the worker stays. A file in another tab is not the page, whoever looks at it.
    const blank = await context.newPage();
    await blank.goto(`${server.url}favicon.svg`);
    const worker = await Worker.find(blank, server.url.replace(/\/$/, ''));
    await his.page.close();
    const send = (text: string): Promise<unknown> => caller.call('message.send', { conversation: romeo.address, client_id: crypto.randomUUID(), text });
    /** Says something until it is pushed: the server may not have noticed yet that nobody is at the page any more. */
    const call = async (text: string, shown: string): Promise<Pushed> => {
      for (let left = 9; left > 0; left -= 1) {
        await send(text);
        const came = await pushed(shown, 5_000).catch(() => undefined);
        if (came) return came;
      }
      await send(text);
      return pushed(shown);
    };
    const first = await call('Ay me', 'Ay me');
    check(first.text.includes('Juliet Capulet'), `It says ${first.text}`);
    check(first.ttl_s > 0, 'It has no time to live.');
    step('what is said is pushed, encrypted for the browser and signed');

    await worker.deliver(first.text);
    await until('the browser shows it', async () => (await worker.shown()).some(({ title, body }) => title === 'Juliet Capulet' && body.includes('Ay me')));
    await send('O Romeo, Romeo');
    await worker.deliver((await pushed('O Romeo, Romeo')).text);
    await until('one notification a conversation', async () => {
      const shown = await worker.shown();
      return shown.length === 1 && (shown[0]?.body.includes('O Romeo, Romeo') ?? false);
    });
    step('the browser shows one notification a conversation');

    // Read on another device, it is not news any more.
    const elsewhere = await Person.open(browser, server.url, romeo, LOOK);
    await elsewhere.signIn();
    await elsewhere.open(juliet.address);
    await elsewhere.message('O Romeo, Romeo').waitFor();
    const read = await pushed('"read"');
    check(JSON.parse(read.text).type === 'read', `After reading came ${read.text}`);
    await worker.deliver(read.text);
    await until('the notification is gone', async () => (await worker.shown()).length === 0);
    step('what was read on another device is not shown any more');

    // Who does not want it shown on a locked screen is told who has written, and not what.
    const own = await Caller.open(elsewhere.page, romeo);
    await own.call('preferences.change', { previews_in_push: false });
    await own.call('session.active', { active: false });
    await elsewhere.page.context().close();
    const hidden = await call('Deny thy father', 'Juliet');
    check(!hidden.text.includes('Deny') && hidden.text.includes('Juliet'), `It says ${hidden.text}`);
    await worker.deliver(hidden.text);
    await until('who has written is shown', async () => (await worker.shown()).some(({ title, body }) => title.includes('Juliet') && !body.includes('Deny')));
    if (folder) await hers.page.screenshot({ path: `${folder}/push-sender.png` });
    step('a text that is not to be shown is not pushed');
    // What is broken says that there is something, and nothing else.
    await worker.deliver('not JSON');
    await until('something is shown for what cannot be read', async () => (await worker.shown()).some(({ title }) => title === 'Waxwing'));
    if (his.complaints.length > 0) throw new Error(his.complaints.join('\n'));
    console.log('Everything works.');
  } finally {
    await closeBrowser(browser);
    await server.stop();
    service.stop();
  }
}
