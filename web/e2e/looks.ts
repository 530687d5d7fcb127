// The looks that the client is tested in, and its words in the language of each.
import type { BrowserContextOptions } from 'playwright-core';
import en from '$lib/i18n/messages/en';
import chinese from '$lib/i18n/messages/zh-CN';

export interface Look {
  width: 'wide' | 'phone';
  scheme: 'light' | 'dark';
  language: 'en' | 'zh-CN';
}

export const LOOKS: readonly Look[] = (['wide', 'phone'] as const).flatMap((width) =>
  (['light', 'dark'] as const).flatMap((scheme) => (['en', 'zh-CN'] as const).map((language) => ({ width, scheme, language }))),
);

export const nameOf = ({ width, scheme, language }: Look): string => `${width}-${scheme}-${language}`;

export const SIZES = { wide: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } } as const;

/** What a browser has to be for a look. */
export function optionsOf({ width, scheme, language }: Look): BrowserContextOptions {
  const isPhone = width === 'phone';
  return { viewport: SIZES[width], colorScheme: scheme, hasTouch: isPhone, isMobile: isPhone, locale: language === 'en' ? 'en-GB' : language };
}

export type Key = keyof typeof en;
type Stem<K> = K extends `${infer Begin}.other` ? Begin : never;
type Values = Record<string, string | number>;

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');

/** What the client says in a language. */
export class Words {
  readonly #texts: Record<string, string>;

  constructor(readonly language: Look['language']) {
    this.#texts = language === 'en' ? en : chinese;
  }

  #text(key: string): string {
    const text = this.#texts[key] ?? this.#texts[`${key}.other`];
    if (text === undefined) throw new Error(`The client has no words for ${key} in ${this.language}.`);
    return text;
  }

  say(key: Key, values: Values = {}): string {
    return this.#text(key).replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
  }

  /** The same with anything in the places of values that are not given; of a count, any of its forms. */
  like(key: Key | Stem<Key>, values: Values = {}): RegExp {
    const forms = this.#texts[key] === undefined ? ['one', 'other'].flatMap((form) => this.#texts[`${key}.${form}`] ?? []) : [this.#text(key)];
    const patterns = forms.map((form) => escaped(form).replace(/\\\{(\w+)\\\}/g, (_, name: string) => (name in values ? escaped(String(values[name])) : '.*')));
    return new RegExp(patterns.join('|'));
  }
}
