// When a message may be sent later: usual moments, and what is typed as a date and a time.

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Sooner is now. */
export const SOONEST_MS = MINUTE_MS;
const LATEST_DAYS = 366;

export interface Preset {
  id: 'hour' | 'evening' | 'tomorrow' | 'afternoon' | 'monday';
  at_ms: number;
}

/** The moments that people mean most: none is near, none comes twice. */
export function presets(now_ms: number): Preset[] {
  const now = new Date(now_ms);
  const at = (days: number, hour: number): number => new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, hour).getTime();
  const soon = Math.ceil((now_ms + HOUR_MS) / (5 * MINUTE_MS)) * 5 * MINUTE_MS;
  // Days until the next Monday: 1 on a Sunday, 7 on a Monday.
  const monday = (8 - now.getDay()) % 7 || 7;
  const all: Preset[] = [
    { id: 'hour', at_ms: soon },
    { id: 'evening', at_ms: at(0, 18) },
    { id: 'tomorrow', at_ms: at(1, 9) },
    { id: 'afternoon', at_ms: at(1, 14) },
    { id: 'monday', at_ms: at(monday, 9) },
  ];
  return all.filter((preset, i) => (i === 0 || preset.at_ms > soon) && all.findIndex((other) => other.at_ms === preset.at_ms) === i);
}

/** The value of a date field for a moment, here. */
export function dateValue(at_ms: number): string {
  const date = new Date(at_ms);
  const two = (n: number): string => String(n).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** The value of a time field for a moment, here. */
export function timeValue(at_ms: number): string {
  const date = new Date(at_ms);
  return `${String(date.getHours()).padStart(2, '0')}:${String(date.getMinutes()).padStart(2, '0')}`;
}

export type ScheduleError = 'invalid' | 'past' | 'far';

/** The moment of a date and a time field, here, or what is wrong with it. */
export function momentOf(date: string, time: string, now_ms: number): { at_ms: number } | { error: ScheduleError } {
  const day = /^(\d{4})-(\d{2})-(\d{2})$/.exec(date);
  const clock = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(time);
  if (!day || !clock) return { error: 'invalid' };
  const moment = new Date(Number(day[1]), Number(day[2]) - 1, Number(day[3]), Number(clock[1]), Number(clock[2]));
  if (dateValue(moment.getTime()) !== date) return { error: 'invalid' };
  const at_ms = moment.getTime();
  if (at_ms < now_ms + SOONEST_MS) return { error: 'past' };
  if (at_ms > now_ms + LATEST_DAYS * 24 * HOUR_MS) return { error: 'far' };
  return { at_ms };
}
