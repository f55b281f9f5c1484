import { createI18n } from 'vue-i18n';

/** Words of one feature: keys inside keys, sentences at the leaves. */
export interface MessageTree {
  [key: string]: string | MessageTree;
}

/** The shape Korean has to fill: every key of the English file, with a sentence of its own. */
export type Translated<T> = { [K in keyof T]: T[K] extends string ? string : Translated<T[K]> };

export type Language = 'en' | 'ko';

/** `locales/en/data.ts` has one export, its words; they are reached as `data.…`. */
const files = import.meta.glob<Record<string, MessageTree>>(['./en/*.ts', './ko/*.ts'], { eager: true });

function collect(language: Language): MessageTree {
  const tree: MessageTree = {};
  for (const [path, file] of Object.entries(files)) {
    const match = /^\.\/(en|ko)\/(.+)\.ts$/.exec(path);
    if (match && match[1] === language) tree[match[2]!] = Object.values(file)[0]!;
  }
  return tree;
}

export const i18n = createI18n({
  legacy: false,
  locale: 'en',
  fallbackLocale: 'en',
  messages: { en: collect('en'), ko: collect('ko') },
});

/** The language in use; a computed value that reads it follows a change at once. */
export function language(): Language {
  return i18n.global.locale.value as Language;
}

/** Changes every visible string at once, without a reload. */
export function setLanguage(next: Language): void {
  i18n.global.locale.value = next;
  if (typeof document !== 'undefined') document.documentElement.lang = next;
}

/** The sentence at `key`, for code outside components; inside them use `useI18n`. */
export function t(key: string, values: Record<string, unknown> = {}): string {
  return i18n.global.t(key, values);
}

/** Whether a sentence exists, for codes that other rooms may add to. */
export function hasMessage(key: string): boolean {
  return i18n.global.te(key, 'en');
}
