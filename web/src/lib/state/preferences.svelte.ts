// What the reader prefers, the same on every device.
import type { Call } from '../api/socket';
import type { Partially, Preferences as Values } from '../api/types';

export const DEFAULTS: Values = {
  theme: 'system',
  density: 'comfortable',
  enter_sends: true,
  notify: 'mentions',
  keywords: [],
  sound: true,
  desktop: true,
  previews_in_push: true,
  open_at: 'last_read',
  sections: [],
  auto_away_minutes: 10,
  client: {},
};

export class Preferences {
  #told = $state.raw<Values>(DEFAULTS);
  /** Changes that the server has not answered yet, in order. */
  #asked = $state.raw<readonly Partially<Values>[]>([]);

  /** As the server told them last, and what was changed here since: an answer to one change says nothing of the next. */
  values = $derived(this.#asked.reduce<Values>(changed, this.#told));

  /** Whether single keys do something wherever nothing is written. */
  singleKeys = $derived(this.values.client.single_keys !== false);

  constructor(private readonly call: Call) {}

  receive(values: Values): void {
    this.#told = values;
  }

  /** Changes what is shown at once; it goes back when the server does not take it. */
  async change(change: Partially<Values>): Promise<void> {
    this.#asked = [...this.#asked, change];
    try {
      this.#told = (await this.call('preferences.change', change)).preferences;
    } finally {
      this.#asked = this.#asked.filter((one) => one !== change);
    }
  }
}

/** Null takes away. */
function changed(values: Values, change: Partially<Values>): Values {
  const next = Object.entries({ ...values, ...change }).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(next) as unknown as Values;
}
