// Colours code: a small tokeniser for the languages that people paste most. Loaded only when a message holds code of a known language.

export interface Token {
  kind: 'plain' | 'keyword' | 'string' | 'number' | 'comment' | 'call' | 'type' | 'added' | 'removed';
  text: string;
}

interface Rule {
  kind: Token['kind'];
  /** Sticky, and never slower than linear in what it takes. */
  pattern: RegExp;
}

interface Language {
  name: string;
  rules: Rule[];
  /** Words that are keywords or names of built-in types. */
  keywords?: Set<string>;
  types?: Set<string>;
  /** Whether keywords are the same in upper case. */
  caseless?: true;
  /** Whether names with a capital letter are types. */
  capitalTypes?: true;
}

/** Longer code is shown without colours. */
const LONGEST = 30_000;

const set = (words: string): Set<string> => new Set(words.split(' '));

const C_COMMENT: Rule[] = [
  { kind: 'comment', pattern: /\/\/[^\n]*/y },
  { kind: 'comment', pattern: /\/\*(?:[^*]|\*(?!\/))*(?:\*\/)?/y },
];
const HASH_COMMENT: Rule = { kind: 'comment', pattern: /#[^\n]*/y };
const DOUBLE: Rule = { kind: 'string', pattern: /"(?:[^"\\\n]|\\[^])*"?/y };
const SINGLE: Rule = { kind: 'string', pattern: /'(?:[^'\\\n]|\\[^])*'?/y };
const TEMPLATE: Rule = { kind: 'string', pattern: /`(?:[^`\\]|\\[^])*`?/y };
const NUMBER: Rule = { kind: 'number', pattern: /(?:0[xX][\da-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?)[a-zA-Z]?[a-zA-Z\d_]*/y };

const C_WORDS = 'if else for while do switch case default break continue return goto sizeof struct union enum typedef static const extern volatile inline register auto restrict';
const C_TYPES = 'void char short int long float double signed unsigned bool size_t ssize_t uint8_t uint16_t uint32_t uint64_t int8_t int16_t int32_t int64_t';

const javascript: Language = {
  name: 'JavaScript',
  rules: [...C_COMMENT, TEMPLATE, DOUBLE, SINGLE, NUMBER],
  keywords: set(
    'async await break case catch class const continue debugger default delete do else export extends false finally for from function get if import in instanceof let new null of return set static super switch this throw true try typeof undefined var void while with yield',
  ),
  capitalTypes: true,
};
const typescript: Language = {
  ...javascript,
  name: 'TypeScript',
  keywords: new Set([...(javascript.keywords ?? []), ...set('abstract as declare enum implements interface is keyof namespace private protected public readonly satisfies type')]),
  types: set('string number boolean any unknown never object bigint symbol'),
};
const rust: Language = {
  name: 'Rust',
  rules: [
    ...C_COMMENT,
    { kind: 'string', pattern: /b?r(#{0,8})"(?:[^"]|"(?!\1))*(?:"\1)?/y },
    { kind: 'string', pattern: /b?"(?:[^"\\]|\\[^])*"?/y },
    { kind: 'string', pattern: /b?'(?:[^'\\\n]|\\(?:x[\da-fA-F]{2}|u\{[\da-fA-F_]{1,8}\}|[^]))'/y },
    { kind: 'type', pattern: /'[a-z_]\w*/y },
    { kind: 'call', pattern: /[a-z_]\w*!(?=[([{])/y },
    { kind: 'comment', pattern: /#!?\[[^\]\n]{0,200}\]/y },
    NUMBER,
  ],
  keywords: set(
    'as async await break const continue crate dyn else enum extern false fn for if impl in let loop match mod move mut pub ref return self Self static struct super trait true type unsafe use where while',
  ),
  types: set('bool char f32 f64 i8 i16 i32 i64 i128 isize str u8 u16 u32 u64 u128 usize'),
  capitalTypes: true,
};
const python: Language = {
  name: 'Python',
  rules: [
    HASH_COMMENT,
    { kind: 'string', pattern: /[rRbBfFuU]{0,2}"""(?:[^"\\]|\\[^]|"(?!""))*(?:""")?/y },
    { kind: 'string', pattern: /[rRbBfFuU]{0,2}'''(?:[^'\\]|\\[^]|'(?!''))*(?:''')?/y },
    { kind: 'string', pattern: /[rRbBfFuU]{0,2}(?:"(?:[^"\\\n]|\\[^])*"?|'(?:[^'\\\n]|\\[^])*'?)/y },
    { kind: 'type', pattern: /@[\w.]+/y },
    NUMBER,
  ],
  keywords: set(
    'and as assert async await break case class continue def del elif else except False finally for from global if import in is lambda match None nonlocal not or pass raise return self True try while with yield',
  ),
  types: set('bool bytes dict float frozenset int list object set str tuple'),
  capitalTypes: true,
};
const go: Language = {
  name: 'Go',
  rules: [...C_COMMENT, TEMPLATE, DOUBLE, SINGLE, NUMBER],
  keywords: set(
    'break case chan const continue default defer else fallthrough false for func go goto if import interface iota map nil package range return select struct switch true type var',
  ),
  types: set('any bool byte complex128 complex64 error float32 float64 int int16 int32 int64 int8 rune string uint uint16 uint32 uint64 uint8 uintptr'),
};
const c: Language = {
  name: 'C',
  rules: [...C_COMMENT, { kind: 'keyword', pattern: /#[ \t]*[a-z]+/y }, DOUBLE, SINGLE, NUMBER],
  keywords: set(`${C_WORDS} NULL true false`),
  types: set(C_TYPES),
};
const cpp: Language = {
  ...c,
  name: 'C++',
  keywords: set(
    `${C_WORDS} alignas alignof catch class co_await co_return co_yield concept consteval constexpr decltype delete explicit export false final friend mutable namespace new noexcept nullptr operator override private protected public requires static_cast dynamic_cast template this throw true try typeid typename using virtual`,
  ),
  capitalTypes: true,
};
const java: Language = {
  name: 'Java',
  rules: [...C_COMMENT, { kind: 'type', pattern: /@[A-Za-z]\w*/y }, { kind: 'string', pattern: /"""(?:[^"\\]|\\[^]|"(?!""))*(?:""")?/y }, DOUBLE, SINGLE, NUMBER],
  keywords: set(
    'abstract assert break case catch class continue default do else enum extends false final finally for if implements import instanceof interface native new null package permits private protected public record return sealed static super switch synchronized this throw throws transient true try var void volatile while yield',
  ),
  types: set('boolean byte char double float int long short'),
  capitalTypes: true,
};
const csharp: Language = {
  ...java,
  name: 'C#',
  keywords: set(
    'abstract as async await base break case catch class const continue default delegate do else enum event explicit extern false finally fixed for foreach from get if implicit in init interface internal is lock namespace new null operator out override params partial private protected public readonly record ref required return sealed select set static struct switch this throw true try typeof using value var virtual void where while yield',
  ),
  types: set('bool byte char decimal double dynamic float int long nint object sbyte short string uint ulong ushort'),
};
const kotlin: Language = {
  ...java,
  name: 'Kotlin',
  keywords: set(
    'abstract as break by catch class companion const constructor continue data do else enum false final finally for fun if import in init inline interface internal is lateinit null object open operator out override package private protected public return sealed super suspend this throw true try typealias val var vararg when where while',
  ),
};
const swift: Language = {
  ...java,
  name: 'Swift',
  keywords: set(
    'actor any as async await break case catch class continue default defer deinit do else enum extension false fileprivate final for func guard if import in init inout internal is lazy let mutating nil open override private protocol public repeat rethrows return self Self some static struct subscript super switch throw throws true try typealias var weak where while',
  ),
};
const php: Language = {
  name: 'PHP',
  rules: [...C_COMMENT, HASH_COMMENT, { kind: 'type', pattern: /\$\w+/y }, DOUBLE, SINGLE, NUMBER],
  keywords: set(
    'abstract and array as break case catch class clone const continue declare default do echo else elseif enum extends false final finally fn for foreach function global if implements include instanceof interface isset list match namespace new null or print private protected public readonly require require_once return static switch this throw trait true try unset use var while yield',
  ),
  capitalTypes: true,
};
const ruby: Language = {
  name: 'Ruby',
  rules: [HASH_COMMENT, DOUBLE, SINGLE, { kind: 'string', pattern: /:[a-zA-Z_]\w*[?!]?/y }, { kind: 'type', pattern: /@{1,2}\w+/y }, NUMBER],
  keywords: set(
    'alias and begin break case class def defined do else elsif end ensure false for if in module next nil not or raise redo require rescue retry return self super then true undef unless until when while yield',
  ),
  capitalTypes: true,
};
const shell: Language = {
  name: 'Shell',
  rules: [
    { kind: 'comment', pattern: /(?<=^|[\s;])#[^\n]*/my },
    { kind: 'string', pattern: /"(?:[^"\\]|\\[^])*"?/y },
    { kind: 'string', pattern: /'[^']*'?/y },
    { kind: 'type', pattern: /\$(?:\w+|\{[^}\n]{0,200}\}|[?#@*$!-])/y },
    { kind: 'number', pattern: /(?<=\s)--?[A-Za-z][\w-]*/y },
    NUMBER,
  ],
  keywords: set('case do done elif else esac exit export fi for function if in local readonly return set shift source then trap unset until while cd echo sudo'),
};
const sql: Language = {
  name: 'SQL',
  rules: [{ kind: 'comment', pattern: /--[^\n]*/y }, C_COMMENT[1] as Rule, { kind: 'string', pattern: /'(?:[^']|'')*'?/y }, { kind: 'type', pattern: /"(?:[^"]|"")*"?/y }, NUMBER],
  keywords: set(
    'add all alter and as asc begin between by case check commit constraint create cross default delete desc distinct drop else end exists explain false foreign from full group having if in index inner insert intersect into is join key left like limit not null offset on or order outer over partition primary references returning right rollback row select set table then transaction true union unique update using values view when where with',
  ),
  types: set('bigint blob boolean char date decimal float int integer json jsonb numeric real serial smallint text time timestamp timestamptz uuid varchar'),
  caseless: true,
};
const json: Language = {
  name: 'JSON',
  rules: [{ kind: 'call', pattern: /"(?:[^"\\\n]|\\[^])*"(?=\s{0,40}:)/y }, DOUBLE, ...C_COMMENT, { kind: 'number', pattern: /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y }],
  keywords: set('true false null'),
};
const yaml: Language = {
  name: 'YAML',
  rules: [
    { kind: 'comment', pattern: /(?<=^|\s)#[^\n]*/my },
    { kind: 'call', pattern: /(?<=^|[\s{,])[\w./-]+(?=:(?:\s|$))/my },
    DOUBLE,
    { kind: 'string', pattern: /(?<=\s)'(?:[^'\n]|'')*'?/y },
    { kind: 'type', pattern: /(?<=\s)[&*!][\w!-]+/y },
    { kind: 'number', pattern: /(?<=\s)-?\d[\d_.]*(?=\s|$)/my },
  ],
  keywords: set('true false null yes no on off'),
};
const toml: Language = {
  name: 'TOML',
  rules: [HASH_COMMENT, { kind: 'type', pattern: /(?<=^|\n)[ \t]*\[\[?[^\]\n]{0,200}\]\]?/y }, { kind: 'call', pattern: /(?<![\w.-])[\w.-]+(?=[ \t]{0,40}=)/y }, DOUBLE, SINGLE, NUMBER],
  keywords: set('true false'),
};
const css: Language = {
  name: 'CSS',
  rules: [
    C_COMMENT[1] as Rule,
    DOUBLE,
    SINGLE,
    { kind: 'keyword', pattern: /@[a-z-]+/y },
    { kind: 'type', pattern: /--[\w-]+/y },
    { kind: 'number', pattern: /#[\da-fA-F]{3,8}\b|-?(?:\d+(?:\.\d+)?|\.\d+)(?:%|[a-z]+)?/y },
    { kind: 'call', pattern: /(?<![a-z-])[a-z-]+(?=\s{0,8}:[^:\n;{]{0,400}[;\n}])/y },
    { kind: 'type', pattern: /[.#][a-zA-Z_][\w-]*/y },
  ],
};
const markup: Language = {
  name: 'HTML',
  rules: [
    { kind: 'comment', pattern: /<!--(?:[^-]|-(?!->))*(?:-->)?/y },
    { kind: 'keyword', pattern: /<[/?!]?[A-Za-z][\w:.-]*|\/?>|\?>/y },
    { kind: 'call', pattern: /(?<![\w:.@-])[A-Za-z_:@][\w:.@-]*(?==["'])/y },
    { kind: 'string', pattern: /(?<==)(?:"[^"]*"?|'[^']*'?)/y },
    { kind: 'number', pattern: /&(?:#\d+|#x[\da-fA-F]+|\w+);/y },
  ],
};
const diff: Language = {
  name: 'Diff',
  rules: [
    { kind: 'comment', pattern: /^(?:diff |index |--- |\+\+\+ )[^\n]*/my },
    { kind: 'keyword', pattern: /^@@[^\n]*/my },
    { kind: 'added', pattern: /^\+[^\n]*/my },
    { kind: 'removed', pattern: /^-[^\n]*/my },
    { kind: 'plain', pattern: /^ [^\n]*/my },
  ],
};
const docker: Language = {
  name: 'Dockerfile',
  rules: [{ kind: 'comment', pattern: /(?<=^|\n)#[^\n]*/y }, DOUBLE, SINGLE, { kind: 'type', pattern: /\$\{?\w+\}?/y }],
  keywords: set('from run cmd label expose env add copy entrypoint volume user workdir arg onbuild stopsignal healthcheck shell as'),
  caseless: true,
};

const LANGUAGES: Record<string, Language> = {
  js: javascript, javascript, mjs: javascript, jsx: { ...javascript, name: 'JSX' }, node: javascript,
  ts: typescript, typescript, tsx: { ...typescript, name: 'TSX' },
  rs: rust, rust,
  py: python, python, python3: python,
  go, golang: go,
  c, h: c, cpp, 'c++': cpp, cc: cpp, hpp: cpp, cxx: cpp,
  java, cs: csharp, csharp, 'c#': csharp, kt: kotlin, kotlin, swift, scala: { ...kotlin, name: 'Scala' },
  php, rb: ruby, ruby,
  sh: shell, bash: shell, shell, zsh: shell, console: shell, terminal: shell, fish: shell,
  sql, psql: sql, sqlite: sql, mysql: sql, postgres: sql,
  json, jsonc: json, json5: json,
  yaml, yml: yaml, toml, ini: { ...toml, name: 'INI' },
  css, scss: { ...css, name: 'SCSS' }, less: { ...css, name: 'Less' },
  html: markup, xml: { ...markup, name: 'XML' }, svg: { ...markup, name: 'SVG' }, xhtml: markup, svelte: { ...markup, name: 'Svelte' }, vue: { ...markup, name: 'Vue' },
  diff, patch: diff,
  dockerfile: docker, docker,
};

const find = (language: string): Language | undefined => {
  const key = language.trim().toLowerCase().split(/[\s,{:]/)[0] ?? '';
  return Object.hasOwn(LANGUAGES, key) ? LANGUAGES[key] : undefined;
};

/** The name of a language as people write it, or what was given if it is not known. */
export function languageName(language: string): string {
  return find(language)?.name ?? language;
}

const WORD = /[\p{L}_$][\p{L}\p{N}_$]*/uy;
const CALL = /[ \t]{0,8}\(/y;

function wordKind(language: Language, word: string, code: string, end: number): Token['kind'] {
  const key = language.caseless ? word.toLowerCase() : word;
  if (language.keywords?.has(key)) return 'keyword';
  if (language.types?.has(key)) return 'type';
  if (language.capitalTypes && /^[A-Z]/.test(word) && /[a-z]/.test(word)) return 'type';
  CALL.lastIndex = end;
  return language.keywords && CALL.test(code) ? 'call' : 'plain';
}

/** The tokens of some code, which together are exactly the code; nothing if the language is not known or the code too long. */
export function highlight(code: string, name: string): Token[] | undefined {
  const language = find(name);
  if (!language || code.length > LONGEST) return undefined;
  const tokens: Token[] = [];
  const push = (kind: Token['kind'], text: string): void => {
    const last = tokens.at(-1);
    if (last?.kind === kind) last.text += text;
    else tokens.push({ kind, text });
  };
  let at = 0;
  scan: while (at < code.length) {
    for (const { kind, pattern } of language.rules) {
      pattern.lastIndex = at;
      const text = pattern.exec(code)?.[0];
      if (!text) continue;
      push(kind, text);
      at += text.length;
      continue scan;
    }
    WORD.lastIndex = at;
    const word = WORD.exec(code)?.[0];
    if (word) {
      push(wordKind(language, word, code, at + word.length), word);
      at += word.length;
    } else {
      push('plain', code[at] ?? '');
      at += 1;
    }
  }
  return tokens;
}
