// Which language the page speaks, and its texts by key; whatever is read here within a component follows a change of language.
import en from './messages/en';
import { mirrored } from './pseudo';

/** The languages on offer, each by its own name. `ar-XB` is a pseudo-language for tests and not offered. */
export const LOCALES = [
  { tag: 'en', name: 'English' },
  { tag: 'zh-CN', name: '简体中文' },
] as const;

export type Locale = (typeof LOCALES)[number]['tag'] | 'ar-XB';
type Texts = typeof en;
/** The keys of `t`. */
export type Key = keyof Texts;
type PluralStem<K> = K extends `${infer Stem}.other` ? Stem : never;
/** The keys of `plural`: those of which there is a form `.other`. */
export type PluralKey = PluralStem<Key>;

type Placeholders<S> = string extends S ? string : S extends `${string}{${infer Name}}${infer Rest}` ? Name | Placeholders<Rest> : never;
type Values<S> = { [Name in Placeholders<S>]: string | number };
/** The values that a text needs: none if it has no placeholders. */
type Arguments<S> = string extends S ? [values?: Record<string, string | number>] : [Placeholders<S>] extends [never] ? [] : [values: Values<S>];
type PluralArguments<K extends string> = `${K}.other` extends Key
  ? [Exclude<Placeholders<Texts[`${K}.other`]>, 'n'>] extends [never]
    ? []
    : [values: { [Name in Exclude<Placeholders<Texts[`${K}.other`]>, 'n'>]: string | number }]
  : [values?: Record<string, string | number>];

let tag = $state<Locale>('en');
let texts = $state.raw<Record<string, string>>(en);
let wanted: Locale = 'en';

/** The language that the page speaks. */
export function locale(): Locale {
  return tag;
}

const languageOf = (wish: string): string | undefined => wish.toLowerCase().split('-')[0];
const browserLanguages = (): readonly string[] => (typeof navigator === 'undefined' ? [] : (navigator.languages ?? []));

/**
 * The language to format numbers and dates in: the page's, as it is used in the reader's country if the browser tells. The
 * pseudo-language formats as English so that it can be read.
 */
export function formatting(): string {
  const page = tag === 'ar-XB' ? 'en' : tag;
  return regional(page, browserLanguages());
}

/** A language with the country that somebody's wishes give it. */
export function regional(page: string, wishes: readonly string[]): string {
  return wishes.find((wish) => languageOf(wish) === languageOf(page)) ?? page;
}

/**
 * How the reader counts hours, if the language of the page does not tell. English alone does not: people read it everywhere, and only
 * some countries count to twelve.
 */
export function hourCycle(): 'h23' | 'h12' | undefined {
  const wishes = browserLanguages();
  if (languageOf(tag) !== 'en' || wishes.length === 0 || wishes.some((wish) => languageOf(wish) === languageOf(tag))) return undefined;
  return cycleOf(wishes[0] ?? 'en');
}

const cycles = new Map<string, 'h23' | 'h12'>();

/** Making a format is slow, and each time that is shown asks for it. */
function cycleOf(language: string): 'h23' | 'h12' {
  let cycle = cycles.get(language);
  if (!cycle) {
    const own = new Intl.DateTimeFormat(language, { hour: 'numeric' }).resolvedOptions().hourCycle;
    cycle = own === 'h23' || own === 'h24' ? 'h23' : 'h12';
    cycles.set(language, cycle);
  }
  return cycle;
}

/** The direction in which the page is read. */
export function direction(): 'ltr' | 'rtl' {
  return tag === 'ar-XB' ? 'rtl' : 'ltr';
}

/** The offered language that serves the languages of a browser best, the first wish first. */
export function bestLocale(wishes: readonly string[]): Locale {
  for (const wish of wishes) {
    if (wish === 'ar-XB') return 'ar-XB';
    const found = LOCALES.find((l) => l.tag.toLowerCase() === wish.toLowerCase()) ?? LOCALES.find((l) => languageOf(l.tag) === languageOf(wish));
    if (found) return found.tag;
  }
  return 'en';
}

async function load(locale: Locale): Promise<Record<string, string>> {
  if (locale === 'zh-CN') return (await import('./messages/zh-CN')).default;
  if (locale === 'ar-XB') return Object.fromEntries(Object.entries(en).map(([key, text]) => [key, mirrored(text)]));
  return en;
}

/**
 * Makes the page speak another language, or the best for the browser if the tag is not given or not offered. Also sets `lang` and
 * `dir` of the document. The last of several calls wins, whichever is loaded first.
 */
export async function setLocale(wish?: string): Promise<void> {
  const chosen = bestLocale(wish ? [wish, ...browserLanguages()] : browserLanguages());
  wanted = chosen;
  const loaded = await load(chosen);
  if (wanted !== chosen) return;
  texts = loaded;
  tag = chosen;
  if (typeof document !== 'undefined') {
    document.documentElement.lang = chosen;
    document.documentElement.dir = direction();
  }
}

const RIGHT_TO_LEFT = /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;
const LEFT_TO_RIGHT = /\p{L}/u;

/** A value whose direction is not the text's is kept from turning round what stands beside it. */
function isolated(value: string, rtl: boolean): string {
  const foreign = rtl ? LEFT_TO_RIGHT.test(value) : RIGHT_TO_LEFT.test(value);
  return foreign ? `\u2068${value}\u2069` : value;
}

/** Puts values into the {placeholders} of a text; one that has no value stays as it is. */
export function fill(text: string, values?: Record<string, string | number>, rtl = false): string {
  if (!values) return text;
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    return value === undefined ? whole : typeof value === 'number' ? String(value) : isolated(value, rtl);
  });
}

/** The text of a key in the language of the page, in English where there is no translation. */
export function t<K extends Key>(key: K, ...values: Arguments<Texts[K]>): string {
  return fill(texts[key] ?? en[key], values[0] as Record<string, string | number> | undefined, direction() === 'rtl');
}

/** The text of a key in the form that the language of the page takes for `n`; `{n}` is the number as it is written there. */
export function plural<K extends PluralKey>(key: K, n: number, ...values: PluralArguments<K>): string {
  const form = new Intl.PluralRules(formatting()).select(n);
  const english: Record<string, string> = en;
  const text = texts[`${key}.${form}`] ?? texts[`${key}.other`] ?? english[`${key}.other`] ?? key;
  return fill(text, { n: new Intl.NumberFormat(formatting()).format(n), ...(values[0] as Record<string, string | number> | undefined) }, direction() === 'rtl');
}
