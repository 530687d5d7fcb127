// What the client knows of the browser it runs in: where its tokens are, what the device is called, how it reaches the server.
import type { TokenStore } from '$lib/api';
import { newId } from '$lib/state/id';
import type { AccountStore } from '$lib/state/session.svelte';

const TOKEN = 'waxwing.token';
const DEVICE = 'waxwing.device';
const ACCOUNT = 'waxwing.account';
const PICTURES = 'waxwing-pictures';

/** Storage may be forbidden by the browser: then what is kept lasts as long as the page. */
const pageOnly = new Map<string, string>();

function read(storage: () => Storage, key: string): string | undefined {
  try {
    return storage().getItem(key) ?? undefined;
  } catch {
    return pageOnly.get(key);
  }
}

function write(storage: () => Storage, key: string, value: string | undefined): void {
  try {
    if (value === undefined) storage().removeItem(key);
    else storage().setItem(key, value);
  } catch {
    if (value === undefined) pageOnly.delete(key);
    else pageOnly.set(key, value);
  }
}

const lasting = (): Storage => localStorage;
const passing = (): Storage => sessionStorage;

/** Keeps the token for the next visit, or only for this tab. */
export class BrowserTokens implements TokenStore {
  remembers = true;

  get(): string | undefined {
    return read(passing, TOKEN) ?? read(lasting, TOKEN);
  }

  set(token: string | undefined): void {
    if (token === undefined) {
      write(passing, TOKEN, undefined);
      write(lasting, TOKEN, undefined);
      return;
    }
    const isPassing = read(passing, TOKEN) !== undefined || !this.remembers;
    write(isPassing ? passing : lasting, TOKEN, token);
  }
}

/** Whose conversations this browser keeps to read without a connection; those of a tab that is not to be remembered it does not keep. */
export class BrowserAccounts implements AccountStore {
  keeps(): boolean {
    return read(passing, TOKEN) === undefined;
  }

  get(): string | undefined {
    return this.keeps() ? read(lasting, ACCOUNT) : undefined;
  }

  set(account: string | undefined): void {
    write(lasting, ACCOUNT, account);
    // The service worker keeps pictures of people for as long as there is a place for them. Only pages over TLS or from this machine have one.
    if (typeof caches === 'undefined') return;
    const change = account === undefined ? caches.delete(PICTURES) : caches.open(PICTURES);
    change.catch(() => undefined);
  }
}

/** An id of this browser, the same at each visit. A tab that is not to be remembered is a device of its own. */
export function deviceId(remembers: boolean): string {
  const storage = remembers ? lasting : passing;
  const known = read(storage, DEVICE);
  if (known) return known;
  const made = newId();
  write(storage, DEVICE, made);
  return made;
}

export function isPassingSession(): boolean {
  return read(passing, TOKEN) !== undefined;
}

/** The browser and the system, as people call them. */
export function clientName(agent = navigator.userAgent): string {
  const browser =
    [
      ['Edg/', 'Edge'],
      ['OPR/', 'Opera'],
      ['Firefox/', 'Firefox'],
      ['Chrome/', 'Chrome'],
      ['Safari/', 'Safari'],
    ].find(([mark]) => agent.includes(mark ?? ''))?.[1] ?? 'Browser';
  const system =
    [
      ['Android', 'Android'],
      ['iPhone', 'iPhone'],
      ['iPad', 'iPad'],
      ['Windows', 'Windows'],
      ['Mac OS', 'macOS'],
      ['CrOS', 'ChromeOS'],
      ['Linux', 'Linux'],
    ].find(([mark]) => agent.includes(mark ?? ''))?.[1] ?? '';
  return `Waxwing Web (${system ? `${browser}, ${system}` : browser})`;
}

export function socketUrl(place: Location = location): string {
  return `${place.protocol === 'https:' ? 'wss' : 'ws'}://${place.host}/api/socket`;
}
