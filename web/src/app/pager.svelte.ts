// A list that is read page by page.

export class Pager<T> {
  items = $state.raw<readonly T[]>([]);
  more = $state(false);
  loading = $state(false);
  loaded = $state(false);
  failed = $state(false);
  #run = 0;

  constructor(private readonly page: (last: T | undefined) => Promise<{ items: T[]; more: boolean }>) {}

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
      this.items = [...this.items, ...items];
      this.more = more;
      this.loaded = true;
    } catch {
      if (run === this.#run) this.failed = true;
    } finally {
      if (run === this.#run) this.loading = false;
    }
  }
}
