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
  values = $state.raw<Values>(DEFAULTS);

  constructor(private readonly call: Call) {}

  receive(values: Values): void {
    this.values = values;
  }

  /** Changes what is shown at once; it goes back when the server does not take it. */
  async change(change: Partially<Values>): Promise<void> {
    const before = this.values;
    const next = Object.entries({ ...before, ...change }).filter(([, value]) => value !== null && value !== undefined);
    this.values = Object.fromEntries(next) as unknown as Values;
    try {
      this.values = (await this.call('preferences.change', change)).preferences;
    } catch (error) {
      this.values = before;
      throw error;
    }
  }
}
