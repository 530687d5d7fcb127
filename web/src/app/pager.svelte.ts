// A list that is read page by page.

export class Pager<T> {
  items = $state.raw<readonly T[]>([]);
  more = $state(false);
  loading = $state(false);
  loaded = $state(false);
  failed = $state(false);
  #run = 0;

  /** `key` says which items are the same: one that was heard of while its page was on its way is there once. */
  constructor(
    private readonly page: (last: T | undefined) => Promise<{ items: T[]; more: boolean }>,
    private readonly key: (item: T) => string,
  ) {}

  async restart(): Promise<void> {
    this.#run++;
    this.loading = false;
    this.loaded = false;
    this.items = [];
    this.more = false;
    await this.next();
  }

  async next(): Promise<void> {
    if (this.loading) return;
    const run = this.#run;
    this.loading = true;
    this.failed = false;
    try {
      const { items, more } = await this.page(this.items.at(-1));
      if (run !== this.#run) return;
      const keys = new Set(items.map(this.key));
      this.items = [...this.items.filter((item) => !keys.has(this.key(item))), ...items];
      this.more = more;
      this.loaded = true;
    } catch {
      if (run === this.#run) this.failed = true;
    } finally {
      if (run === this.#run) this.loading = false;
    }
  }
}
