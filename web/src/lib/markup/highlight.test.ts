// Tests the colouring of code.
import { expect, it } from 'vitest';
import { highlight, languageName } from './highlight';
import { processorTime, random, randomText } from './testing';

const of = (code: string, language: string, kind: string): string[] => (highlight(code, language) ?? []).filter((token) => token.kind === kind).map((token) => token.text);
const LANGUAGES = ['js', 'tsx', 'rust', 'python', 'go', 'c', 'c++', 'java', 'c#', 'kotlin', 'swift', 'php', 'ruby', 'bash', 'sql', 'json', 'yaml', 'toml', 'css', 'html', 'diff', 'dockerfile'];

it('knows keywords, strings, numbers, comments, calls and types', () => {
  const code = 'async fn main() -> Result<u32> {\n    let x = "a \\" b"; // why\n    println!("{}", f(0x1f));\n}';
  expect(of(code, 'rust', 'keyword')).toEqual(['async', 'fn', 'let']);
  expect(of(code, 'rust', 'string')).toEqual(['"a \\" b"', '"{}"']);
  expect(of(code, 'rust', 'comment')).toEqual(['// why']);
  expect(of(code, 'rust', 'number')).toEqual(['0x1f']);
  expect(of(code, 'rust', 'call')).toEqual(['main', 'println!', 'f']);
  expect(of(code, 'rust', 'type')).toEqual(['Result', 'u32']);
  expect(of("fn f<'a>(x: &'a str, c: char) { c == 'x' }", 'rs', 'string')).toEqual(["'x'"]);
});

it('knows the ways of each language', () => {
  expect(of('SELECT a FROM t -- all\nwhere x = \'it\'\'s\'', 'sql', 'keyword')).toEqual(['SELECT', 'FROM', 'where']);
  expect(of('def f():\n    """a\n    b"""\n    return None', 'python', 'string')).toEqual(['"""a\n    b"""']);
  expect(of('{"a": "b", "c": 1}', 'json', 'call')).toEqual(['"a"', '"c"']);
  expect(of('-old\n+new\n same', 'diff', 'removed')).toEqual(['-old']);
  expect(of('echo "$HOME" # home', 'bash', 'comment')).toEqual(['# home']);
  expect(of('<a href="x">&amp;</a>', 'html', 'string')).toEqual(['"x"']);
  expect(of('key: value # why', 'yaml', 'call')).toEqual(['key']);
});

it('loses nothing, whatever the code', () => {
  const next = random(5);
  for (const language of LANGUAGES) {
    for (let round = 0; round < 60; round += 1) {
      const code = randomText(next, 40);
      expect((highlight(code, language) ?? []).map((token) => token.text).join('')).toBe(code);
    }
  }
});

it('takes time linear in the length of the code', () => {
  for (const language of LANGUAGES) {
    for (const piece of ['"', "'", '`', '/*', '/', '#', '#[', '${', '\n[', '\n', '<!--', 'r#"', '\\', '-', '$', '${', 'a', '0', '@', '"""', "'a", ' :', 'a:', '=', '<', '[', '-a', '--', '.', ':', 'a-', 'x=', '@', '$a', '!', '*', '&a ', '//', '"\\', '[[', '_ ', '&', 'a ']) {
      const code = piece.repeat(Math.ceil(29_000 / piece.length)).slice(0, 29_000);
      const before = processorTime();
      expect(highlight(code, language)?.map((token) => token.text).join('')).toBe(code);
      expect(processorTime() - before, `${language} ${piece}`).toBeLessThan(250);
    }
  }
}, 120_000);

it('leaves unknown languages and long code alone', () => {
  for (const name of ['', 'brainfuck', '__proto__', 'constructor', 'toString']) expect(highlight('a', name)).toBeUndefined();
  expect(highlight('a'.repeat(40_000), 'js')).toBeUndefined();
  expect(languageName('rs')).toBe('Rust');
  expect(languageName('Klingon')).toBe('Klingon');
});
