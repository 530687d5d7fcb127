// Things that a browser keeps for an account between two visits, under keys, in IndexedDB or else only in memory.

export interface Keyed {
  /** All values whose key begins with `prefix`, in the order of the keys. */
  all<T>(prefix: string): Promise<[string, T][]>;
  put(key: string, value: unknown): Promise<void>;
  delete(key: string): Promise<void>;
  clear(): Promise<void>;
}

/** For tests, and for browsers that grant no storage. */
export class KeyedInMemory implements Keyed {
  #entries = new Map<string, unknown>();

  async all<T>(prefix: string): Promise<[string, T][]> {
    return [...this.#entries]
      .filter(([key]) => key.startsWith(prefix))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => [key, structuredClone(value) as T]);
  }

  async put(key: string, value: unknown): Promise<void> {
    this.#entries.set(key, structuredClone(value));
  }

  async delete(key: string): Promise<void> {
    this.#entries.delete(key);
  }

  async clear(): Promise<void> {
    this.#entries.clear();
  }
}

const TABLE = 'keyed';

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('The browser could not keep it.'));
  });
}

class KeyedInBrowser implements Keyed {
  constructor(private readonly database: IDBDatabase) {}

  #table(mode: IDBTransactionMode): IDBObjectStore {
    return this.database.transaction(TABLE, mode, { durability: 'strict' }).objectStore(TABLE);
  }

  async all<T>(prefix: string): Promise<[string, T][]> {
    const table = this.#table('readonly');
    const range = IDBKeyRange.bound(prefix, `${prefix}\uffff`);
    const [keys, values] = await Promise.all([done(table.getAllKeys(range)), done(table.getAll(range))]);
    return keys.map((key, index) => [String(key), values[index] as T]);
  }

  async put(key: string, value: unknown): Promise<void> {
    await done(this.#table('readwrite').put(value, key));
  }

  async delete(key: string): Promise<void> {
    await done(this.#table('readwrite').delete(key));
  }

  async clear(): Promise<void> {
    await done(this.#table('readwrite').clear());
  }
}

/** Opens what is kept for one account. */
export async function openKeyed(account: string): Promise<Keyed> {
  try {
    const request = indexedDB.open(`waxwing:${account}`, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(TABLE);
    return new KeyedInBrowser(await done(request));
  } catch {
    return new KeyedInMemory();
  }
}
