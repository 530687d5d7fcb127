// Quiet hours: whether they rule now, and until when.
import type { QuietHours } from '../api/types';

const MINUTE_MS = 60_000;
const DAY_MINUTES = 24 * 60;

/** Minutes since midnight of “HH:MM”, or undefined if it is not a time. */
export function minutesOf(time: string): number | undefined {
  const match = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(time);
  return match ? Number(match[1]) * 60 + Number(match[2]) : undefined;
}

/** The weekday (Monday is 1, Sunday 7) and the minute of the day in a time zone. */
export function wallClock(at_ms: number, zone: string): { day: number; minute: number } {
  let parts: Intl.DateTimeFormatPart[];
  const options = { weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
  try {
    parts = new Intl.DateTimeFormat('en', { ...options, timeZone: zone }).formatToParts(at_ms);
  } catch {
    // A zone that this browser does not know: its own is the best guess.
    parts = new Intl.DateTimeFormat('en', options).formatToParts(at_ms);
  }
  const part = (type: string): string => parts.find((p) => p.type === type)?.value ?? '';
  return { day: ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'].indexOf(part('weekday')) + 1, minute: Number(part('hour')) * 60 + Number(part('minute')) };
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
  const yesterday = day === 1 ? 7 : day - 1;
  if (from < to) return quiet.days.includes(day) && minute >= from && minute < to;
  return (quiet.days.includes(day) && minute >= from) || (quiet.days.includes(yesterday) && minute < to);
}

/** When it next becomes quiet or ends to be, within eight days; undefined if never. Exact to the minute. */
export function nextChange(quiet: QuietHours, at_ms: number): number | undefined {
  const now = isQuiet(quiet, at_ms);
  const start = Math.floor(at_ms / MINUTE_MS) * MINUTE_MS;
  // Quarters of an hour first, then minutes: clocks change by whole quarters.
  for (let quarter = 1; quarter <= (8 * DAY_MINUTES) / 15; quarter += 1) {
    const at = start + quarter * 15 * MINUTE_MS;
    if (isQuiet(quiet, at) === now) continue;
    for (let minute = 14; minute >= 0; minute -= 1) {
      const earlier = at - minute * MINUTE_MS;
      if (isQuiet(quiet, earlier) !== now) return earlier;
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
  return { days: [1, 2, 3, 4, 5, 6, 7], from: '20:00', to: '08:00', zone: ownZone() };
}
