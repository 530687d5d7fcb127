// Dates, numbers, sizes and lists as the language of the page writes them.
import { formatting, hourCycle, t } from './locale.svelte';

type When = number | Date;

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const formats = new Map<string, Intl.DateTimeFormat>();

/** Making a format is slow, and a timeline asks for thousands. */
function dateFormat(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const hours = options.hour === undefined ? undefined : hourCycle();
  const language = formatting();
  const key = `${language} ${hours ?? ''} ${JSON.stringify(options)}`;
  let format = formats.get(key);
  if (!format) {
    format = new Intl.DateTimeFormat(language, { ...options, ...(hours ? { hourCycle: hours } : {}) });
    formats.set(key, format);
  }
  return format;
}

/** How many calendar days, here, the second moment lies after the first. */
export function daysBetween(from: When, to: When): number {
  const start = new Date(from);
  const end = new Date(to);
  return Math.round((Date.UTC(end.getFullYear(), end.getMonth(), end.getDate()) - Date.UTC(start.getFullYear(), start.getMonth(), start.getDate())) / DAY_MS);
}

/** Hour and minute. */
export function formatTime(when: When): string {
  return dateFormat({ hour: 'numeric', minute: '2-digit' }).format(when);
}

/** The day: today, yesterday or tomorrow by name, this year's without the year. For the lines between days. */
export function formatDay(when: When, now: When = Date.now()): string {
  const days = daysBetween(now, when);
  if (days === 0) return t('day.today');
  if (days === -1) return t('day.yesterday');
  if (days === 1) return t('day.tomorrow');
  const sameYear = new Date(when).getFullYear() === new Date(now).getFullYear();
  return dateFormat({ weekday: 'long', day: 'numeric', month: 'long', ...(sameYear ? {} : { year: 'numeric' }) }).format(when);
}

/** The month with its year, for headings. */
export function formatMonth(when: When): string {
  return dateFormat({ month: 'long', year: 'numeric' }).format(when);
}

/** Day and time in full, for tooltips. */
export function formatDateTime(when: When): string {
  return dateFormat({ weekday: 'long', year: 'numeric', month: 'long', day: 'numeric', hour: 'numeric', minute: '2-digit' }).format(when);
}

/** Day and time in short, where the day of the week is told beside it. */
export function formatDateTimeShort(when: When): string {
  return dateFormat({ month: 'short', day: 'numeric', hour: 'numeric', minute: '2-digit' }).format(when);
}

/** As short as it stays clear: the time today, the weekday within a week, else the date. For lists of conversations. */
export function formatShort(when: When, now: When = Date.now()): string {
  const days = daysBetween(when, now);
  if (days === 0) return formatTime(when);
  if (days === 1) return t('day.yesterday');
  if (days > 1 && days < 7) return dateFormat({ weekday: 'short' }).format(when);
  const sameYear = new Date(when).getFullYear() === new Date(now).getFullYear();
  return dateFormat(sameYear ? { day: 'numeric', month: 'short' } : { day: 'numeric', month: 'numeric', year: 'numeric' }).format(when);
}

/** A day and a time within a sentence, the day by name where it has one: “tomorrow at 09:00”. */
export function formatDayTime(when: When, now: When = Date.now()): string {
  const named = { '-1': 'day.within.yesterday', '0': 'day.within.today', '1': 'day.within.tomorrow' } as const;
  const days = String(daysBetween(now, when)) as keyof typeof named;
  const day = Object.hasOwn(named, days) ? t(named[days]) : formatDay(when, now);
  return t('time.dayAt', { day, time: formatTime(when) });
}

/** How long ago, or in how long: “5 minutes ago”. */
export function relativeTime(when: When, now: When = Date.now()): string {
  const away = Number(when) - Number(now);
  const size = Math.abs(away);
  if (size < 45 * SECOND_MS) return t('time.now');
  const [unit, length]: [Intl.RelativeTimeFormatUnit, number] =
    size < 45 * MINUTE_MS
      ? ['minute', MINUTE_MS]
      : size < 22 * HOUR_MS
        ? ['hour', HOUR_MS]
        : size < 26 * DAY_MS
          ? ['day', DAY_MS]
          : size < 320 * DAY_MS
            ? ['month', 30.44 * DAY_MS]
            : ['year', 365.25 * DAY_MS];
  // Rounding to nothing would say “this minute”.
  const amount = Math.max(1, Math.round(size / length)) * Math.sign(away);
  return new Intl.RelativeTimeFormat(formatting(), { numeric: 'auto' }).format(amount, unit);
}

/** A number with its separators. */
export function formatNumber(n: number): string {
  return new Intl.NumberFormat(formatting()).format(n);
}

/** A share as a percentage without decimals. */
export function formatPercent(share: number): string {
  return new Intl.NumberFormat(formatting(), { style: 'percent', maximumFractionDigits: 0 }).format(share);
}

/** “Alice, Bob, and Carol”. */
export function formatList(items: readonly string[], type: 'conjunction' | 'disjunction' = 'conjunction'): string {
  return new Intl.ListFormat(formatting(), { type }).format(items);
}

/** A size in the unit that keeps it short, in steps of 1000 as file managers count. */
export function formatBytes(bytes: number): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;
  let size = bytes;
  let step = 0;
  while (size >= 999.5 && step < units.length - 1) {
    size /= 1000;
    step += 1;
  }
  const maximumFractionDigits = step > 0 && size < 10 ? 1 : 0;
  return new Intl.NumberFormat(formatting(), { style: 'unit', unit: units[step], unitDisplay: step === 0 ? 'long' : 'short', maximumFractionDigits }).format(size);
}

/** A length of time as a player shows it: 0:07, 12:30, 1:02:03. */
export function formatDuration(ms: number): string {
  const total = Math.max(0, Math.round(ms / SECOND_MS));
  const two = (n: number) => String(n).padStart(2, '0');
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor(total / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(total % 60)}` : `${minutes}:${two(total % 60)}`;
}

/** The names of the days of the week, Monday (1) to Sunday (0). */
export function weekdays(style: 'long' | 'short' | 'narrow' = 'short'): { day: number; name: string }[] {
  // 1 January 2024 was a Monday.
  return [1, 2, 3, 4, 5, 6, 7].map((day) => ({ day: day % 7, name: dateFormat({ weekday: style }).format(new Date(2024, 0, day)) }));
}

/** What sorts names as the language of the page does. */
export function collator(): Intl.Collator {
  const language = formatting();
  // Lists are sorted at each message, and making one takes longer than sorting.
  if (kept?.language !== language) kept = { language, collator: new Intl.Collator(language, { sensitivity: 'base', numeric: true }) };
  return kept.collator;
}

let kept: { language: string; collator: Intl.Collator } | undefined;
