// Quiet hours: whether they rule now, and until when.
import type { QuietHours } from '../api/types';

const MINUTE_MS = 60_000;
const DAY_MINUTES = 24 * 60;

/** Minutes since midnight of “HH:MM”, or undefined if it is not a time. */
export function minutesOf(time: string): number | undefined {
  const match = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(time);
  return match ? Number(match[1]) * 60 + Number(match[2]) : undefined;
}

const clocks = new Map<string, Intl.DateTimeFormat>();

/** A clock of a zone. Making one is slow, and the next change is looked for at many moments. */
function clockOf(zone: string): Intl.DateTimeFormat {
  let clock = clocks.get(zone);
  if (!clock) {
    const options = { weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
    try {
      clock = new Intl.DateTimeFormat('en', { ...options, timeZone: zone });
    } catch {
      // A zone that this browser does not know: its own is the best guess.
      clock = new Intl.DateTimeFormat('en', options);
    }
    clocks.set(zone, clock);
  }
  return clock;
}

/** The weekday (0 for Sunday to 6 for Saturday, as the server counts) and the minute of the day in a time zone. */
export function wallClock(at_ms: number, zone: string): { day: number; minute: number } {
  const parts = clockOf(zone).formatToParts(at_ms);
  const part = (type: string): string => parts.find((p) => p.type === type)?.value ?? '';
  return { day: ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'].indexOf(part('weekday')), minute: Number(part('hour')) * 60 + Number(part('minute')) };
}

/**
 * Whether it is quiet. Hours that end before they begin go on after midnight and belong to the day on which they begin; equal ones last
 * the whole day.
 */
export function isQuiet(quiet: QuietHours, at_ms: number): boolean {
  const from = minutesOf(quiet.from);
  const to = minutesOf(quiet.to);
  if (from === undefined || to === undefined) return false;
  const { day, minute } = wallClock(at_ms, quiet.zone);
  const yesterday = (day + 6) % 7;
  if (from < to) return quiet.days.includes(day) && minute >= from && minute < to;
  return (quiet.days.includes(day) && minute >= from) || (quiet.days.includes(yesterday) && minute < to);
}

/** When it next becomes quiet or ends to be, within eight days; undefined if never. Exact to the minute. */
export function nextChange(quiet: QuietHours, at_ms: number): number | undefined {
  const from = minutesOf(quiet.from);
  const to = minutesOf(quiet.to);
  if (from === undefined || to === undefined) return undefined;
  const now = isQuiet(quiet, at_ms);
  const QUARTER_MS = 15 * MINUTE_MS;
  const start = Math.floor(at_ms / QUARTER_MS) * QUARTER_MS;
  // Clocks change by whole quarters of an hour, so that within a quarter only the two times themselves can be a change.
  for (let quarter = 0; quarter <= (8 * DAY_MINUTES) / 15; quarter += 1) {
    const begin = start + quarter * QUARTER_MS;
    const { minute } = wallClock(begin, quiet.zone);
    const within = [0, from - minute, to - minute].filter((offset) => offset >= 0 && offset < 15).sort((a, b) => a - b);
    for (const offset of within) {
      const at = begin + offset * MINUTE_MS;
      if (at > at_ms && isQuiet(quiet, at) !== now) return at;
    }
  }
  return undefined;
}

/** The time zone of this browser. */
export function ownZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
}

/** All time zones that the browser knows, one's own first. */
export function zones(): string[] {
  const own = ownZone();
  const all = 'supportedValuesOf' in Intl ? Intl.supportedValuesOf('timeZone') : ['UTC'];
  return [own, ...all.filter((zone) => zone !== own)];
}

/** What one gets who turns quiet hours on: every night. */
export function usualQuietHours(): QuietHours {
  return { days: [0, 1, 2, 3, 4, 5, 6], from: '20:00', to: '08:00', zone: ownZone() };
}
