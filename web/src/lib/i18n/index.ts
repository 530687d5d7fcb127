// The texts of the client in the reader's language, and dates, numbers and lists as that language writes them.
export { LOCALES, bestLocale, direction, locale, plural, setLocale, t, type Key, type Locale, type PluralKey } from './locale.svelte';
export {
  collator,
  daysBetween,
  formatBytes,
  formatDateTime,
  formatDay,
  formatDateTimeShort,
  formatDayTime,
  formatDuration,
  formatList,
  formatMonth,
  formatNumber,
  formatPercent,
  formatShort,
  formatTime,
  relativeTime,
  weekdays,
} from './format';
