// Tests the parsing of messages against XEP-0393, and with hostile and random texts.
import { describe, expect, it } from 'vitest';
import { emojiOnly, findLinks, parse, plain } from '.';
import { safeFile } from './links';
import { original, processorTime, random, randomText, written } from './testing';
import type { Block, Inline, Mention } from './types';

/** A short way to write trees: S{…} strong, E{…} emphasis, D{…} strike, C{…} code, L{…}(address) link, M{…} mention; marks are left out. */
function short(spans: readonly Inline[]): string {
  return spans
    .map((span) => {
      switch (span.kind) {
        case 'text':
          return span.text;
        case 'mark':
          return '';
        case 'code':
          return `C{${span.text}}`;
        case 'link':
          return `L{${short(span.children)}}(${span.href})`;
        case 'mention':
          return `M{${span.text}}`;
        default:
          return `${{ strong: 'S', emphasis: 'E', strike: 'D' }[span.kind]}{${short(span.children)}}`;
      }
    })
    .join('');
}

function line(text: string, mentions: Mention[] = []): string {
  const blocks = parse(text, mentions);
  expect(blocks).toHaveLength(1);
  const block = blocks[0] as Block;
  if (block.kind !== 'lines') throw new Error(`a block of kind ${block.kind}`);
  return short(block.content);
}

const kinds = (text: string): string[] => parse(text).map((block) => block.kind);

describe('spans (XEP-0393 section 5.2)', () => {
  it.each([
    ['*strong*', 'S{strong}'],
    ['plain *strong* plain', 'plain S{strong} plain'],
    ['*strong* plain *strong*', 'S{strong} plain S{strong}'],
    ['*strong*plain*', 'S{strong}plain*'],
    ['* plain *strong*'.slice(2), 'plain S{strong}'],
    ['not strong*', 'not strong*'],
    ['*not strong', '*not strong'],
    ['*not *strong', '*not *strong'],
    ['**', '**'],
    ['****', '****'],
    ['Everyone ~dis~likes cake.', 'Everyone D{dis}likes cake.'],
    ['The full title is _Twelfth Night, or What You Will_ but', 'The full title is E{Twelfth Night, or What You Will} but'],
    ['Wow, I can write in `monospace`!', 'Wow, I can write in C{monospace}!'],
    ['This is `*monospace*`', 'This is C{*monospace*}'],
    ['This is *`monospace and bold`*', 'This is S{C{monospace and bold}}'],
    ['(*not after a bracket*)', '(*not after a bracket*)'],
    ['_emphasis with *strong*_', 'E{emphasis with S{strong}}'],
    ['*_~all~_*', 'S{E{D{all}}}'],
    ['* not strong*', '* not strong*'],
    ['*not strong *', '*not strong *'],
    ['snake_case_name', 'snake_case_name'],
    ['a\u3000*after an ideographic space*', 'a\u3000S{after an ideographic space}'],
    ['*a _b* c_', 'S{a _b} c_'],
    ['2 * 3 * 4', '2 * 3 * 4'],
    ['`` ` ``', '`` ` ``'],
  ])('%j', (text, expected) => {
    // A line that begins with "* " is an item of a list in this client; what the specification says of it is tested with the lists.
    if (text.startsWith('* ')) expect(short((parse(`x ${text}`)[0] as { content: Inline[] }).content)).toBe(`x ${expected}`);
    else expect(line(text)).toBe(expected);
  });

  it('do not go beyond their line', () => {
    expect(line('*not \n strong*')).toBe('*not \n strong*');
    expect(line('(There are three blocks in this body marked by parens,)\n(but there is no *formatting)\n(as spans* may not escape blocks.)')).not.toContain('S{');
  });

  it('hold for the line that begins with a bullet, too', () => {
    const [list] = parse('* plain *strong*');
    expect(list).toMatchObject({ kind: 'list', items: [{ mark: '* ' }] });
    expect(short(list?.kind === 'list' ? (list.items[0]?.content ?? []) : [])).toBe('plain S{strong}');
  });
});

describe('preformatted blocks (section 5.1.2)', () => {
  it('end at a line of nothing but three grave accents', () => {
    const blocks = parse('```ignored\n(println "Hello, world!")\n```\n\nThis should show up as monospace, preformatted text ⤴');
    expect(blocks[0]).toMatchObject({ kind: 'code', language: 'ignored', text: '(println "Hello, world!")' });
    expect(blocks[1]).toMatchObject({ kind: 'lines' });
    expect(kinds('```\na\n``` \nb\n````\n```')).toEqual(['code']);
  });

  it('end with what they stand in', () => {
    const blocks = parse('> ```\n> (println "Hello, world!")\n\nThe entire blockquote is a preformatted text block, but this line\nis plaintext!');
    expect(blocks.map((b) => b.kind)).toEqual(['quote', 'lines']);
    expect(blocks[0]).toMatchObject({ blocks: [{ kind: 'code', text: '(println "Hello, world!")' }] });
  });

  it('hold no spans and no blocks', () => {
    expect(parse('```\n*a*\n> b\n- c\n```')).toMatchObject([{ kind: 'code', text: '*a*\n> b\n- c' }]);
  });
});

describe('quotations (section 5.1.3)', () => {
  it('end at the first line without the sign', () => {
    expect(kinds('> That that is, is.\n\nSaid the old hermit of Prague.')).toEqual(['quote', 'lines']);
  });

  it('may be nested', () => {
    const [quote] = parse('>> That that is, is.\n> Said the old hermit of Prague.\n\nWho?');
    expect(quote).toMatchObject({ kind: 'quote', blocks: [{ kind: 'quote' }, { kind: 'lines' }] });
  });

  it('lose one white space only', () => {
    expect(parse('>  a')).toMatchObject([{ blocks: [{ kind: 'lines', content: [{ kind: 'text', text: ' a' }] }] }]);
  });

  it('hold styling', () => {
    expect(parse('> *a*')).toMatchObject([{ blocks: [{ content: [{ kind: 'strong' }] }] }]);
  });
});

describe('lists', () => {
  it('nest by indentation and keep their numbers', () => {
    const blocks = parse('1. one\n   - a\n   - b\n3. three');
    expect(blocks).toMatchObject([{ kind: 'list', ordered: true, items: [{ number: 1, lists: [{ ordered: false, items: [{}, {}] }] }, { number: 3, lists: [] }] }]);
  });

  it('need white space after the sign', () => {
    expect(kinds('-not a list')).toEqual(['lines']);
    expect(kinds('1.5 is a number')).toEqual(['lines']);
    expect(kinds('2024. was a year')).toEqual(['list']);
  });

  it('change their kind', () => {
    expect(kinds('- a\n1. b')).toEqual(['list', 'list']);
  });
});

describe('tables', () => {
  it('have a head, alignments and rows', () => {
    const [table] = parse('| Name | Size |\n|:-----|-----:|\n| *a* | 12 |\n| b |');
    expect(table).toMatchObject({ kind: 'table', alignments: ['start', 'end'] });
    if (table?.kind !== 'table') throw new Error('no table');
    expect(table.rows.map((row) => row.map(short))).toEqual([
      ['S{a}', '12'],
      ['b', ''],
    ]);
  });

  it('are not made of any line with a bar', () => {
    expect(kinds('a | b\nc | d')).toEqual(['lines']);
    expect(kinds('a | b\n---')).toEqual(['lines']);
    expect(kinds('a | b\n---|---|---')).toEqual(['lines']);
  });
});

describe('where files may be fetched from', () => {
  it.each(['/files/a/b.png', 'https://elsewhere.example/a.png', 'http://elsewhere.example/a.png'])('%s', (address) => expect(safeFile(address)).toBe(address));
  it.each(['javascript:alert(1)', 'data:text/html,x', '//elsewhere.example/a', '/\\elsewhere.example/a', 'vbscript:x', 'blob:https://a/b', 'mailto:a@b', '', 'a.png', 'https://user@elsewhere.example/'])('never %s', (address) =>
    expect(safeFile(address)).toBeUndefined());
});

describe('links', () => {
  const found = (text: string): string[] => findLinks(text).map((link) => text.slice(link.begin, link.end));

  it.each([
    ['see https://example.org.', ['https://example.org']],
    ['(https://example.org/a_(b))', ['https://example.org/a_(b)']],
    ['[https://example.org/x]', ['https://example.org/x']],
    ['<https://example.org/x>', ['https://example.org/x']],
    ['"https://example.org/x", he said', ['https://example.org/x']],
    ['https://example.org/?a=1&b=2#c!', ['https://example.org/?a=1&b=2#c']],
    ['看https://example.org/路径，好', ['https://example.org/']],
    ['（https://example.org/a）', ['https://example.org/a']],
    ['https://example.org/a。下一句', ['https://example.org/a']],
    ['https://例子.中国/a', ['https://例子.中国/a']],
    ['https://example.org:8443/a/../b', ['https://example.org:8443/a/../b']],
    ['https://[::1]:5280/', ['https://[::1]:5280/']],
    ['mailto:a@b.example and xmpp:room@c.example?join', ['mailto:a@b.example', 'xmpp:room@c.example?join']],
    ['HTTPS://EXAMPLE.ORG/', ['HTTPS://EXAMPLE.ORG/']],
    ['https://a.example https://b.example', ['https://a.example', 'https://b.example']],
    ['http:// https:// mailto:', []],
    ['xhttps://example.org', []],
    ['javascript:alert(1)', []],
    ['data:text/html,x file:///etc/passwd ftp://a.example', []],
    ['https://bank.example@evil.example/', []],
    ['https://\u202egro.elpmaxe', []],
    ['https://fr.wikipedia.org/wiki/Édith', ['https://fr.wikipedia.org/wiki/Édith']],
  ])('%j', (text, expected) => {
    expect(found(text)).toEqual(expected);
  });

  it('may have a label, but none that pretends to be another address', () => {
    expect(line('[the docs](https://example.org/d)')).toBe('L{the docs}(https://example.org/d)');
    expect(line('see [*the* docs](https://example.org/d).')).toBe('see L{S{the} docs}(https://example.org/d).');
    expect(line('[bank.example](https://evil.example)')).toBe('[bank.example](L{https://evil.example}(https://evil.example/))');
    expect(line('[https://bank.example](https://evil.example)')).not.toMatch(/L\{[^}]*bank[^}]*\}\(https:\/\/evil/);
    expect(line('[x](javascript:alert(1))')).toBe('[x](javascript:alert(1))');
  });

  it('stand within spans', () => {
    expect(line('*see https://example.org/*')).toBe('S{see L{https://example.org/}(https://example.org/)}');
  });
});

describe('mentions', () => {
  const person = (begin: number, end: number): Mention => ({ kind: 'person', address: 'a@b.example', begin, end });

  it('count code points', () => {
    expect(line('😀 @Anna hi', [person(2, 7)])).toBe('😀 M{@Anna} hi');
    expect(line('你好 @安娜！', [person(3, 6)])).toBe('你好 M{@安娜}！');
  });

  it('are whole, whatever they contain', () => {
    expect(line('@a_b_ and *@c*d*', [person(0, 5), person(11, 15)])).toBe('M{@a_b_} and S{M{@c*d}}');
  });

  it('stand in quotations, lists and tables', () => {
    expect(JSON.stringify(parse('> @Anna', [person(2, 7)]))).toContain('"mention"');
    expect(JSON.stringify(parse('- @Anna', [person(2, 7)]))).toContain('"mention"');
    expect(JSON.stringify(parse('a|b\n-|-\n@Anna|c', [person(8, 13)]))).toContain('"mention"');
  });

  it('that make no sense are left out', () => {
    const text = '*a* 😀';
    for (const [begin, end] of [[-1, 2], [3, 3], [5, 2], [0.5, 2], [2, 99], [99, 100], [Number.NaN, 2]] as const) expect(line(text, [person(begin, end)])).toBe('S{a} 😀');
    expect(line('abcd', [person(0, 3), person(1, 2), person(2, 4)])).toBe('M{abc}d');
    expect(original(parse('ab\ncd', [person(1, 4)]))).toBe('ab\ncd');
  });
});

describe('every text', () => {
  it('is kept whole and never throws', () => {
    const next = random(393);
    for (let round = 0; round < 4000; round += 1) {
      const text = randomText(next, 1 + Math.floor(next() * 40));
      const mentions = Array.from({ length: Math.floor(next() * 3) }, (): Mention => {
        const begin = Math.floor(next() * 30);
        return { kind: 'person', address: 'a@b.example', begin, end: begin + Math.floor(next() * 8) };
      });
      expect(original(parse(text, mentions))).toBe(text);
      expect(plain(text, mentions)).not.toMatch(/[\n\r]/);
      emojiOnly(text);
    }
  });

  it('takes time linear in its length', () => {
    const N = 20_000;
    const texts = [
      '*', '*a ', ' *', '_*~`', '`a', '>', '> ', '>\n', '```\n', '- ', '- a\n', ' - a\n', '|', '|-', 'a|b\n-|-\n', '[', '](', '[a](https://a', 'http://', 'http://[', 'https://a.b(', 'https://a)',
      'mailto:', '\n', '\ud800', '1. ', '*_~', '* *', ' `*', '😀', 'x://', '[[', ']('.repeat(2), 'https://x.example/(((', '\t', '\r\n', '>`', '*a*', ' ~a~',
    ];
    for (const piece of texts) {
      const text = piece.repeat(Math.ceil(N / piece.length));
      const before = processorTime();
      parse(text);
      // Generous; what grows with the square takes minutes here.
      expect(processorTime() - before, JSON.stringify(piece)).toBeLessThan(1500);
    }
  });
});

describe('plain', () => {
  it('is one line without styling', () => {
    expect(plain('*Hello*\n\n- _a_\n- b')).toBe('Hello a · b');
    expect(plain('> quoted\nanswer')).toBe('answer');
    expect(plain('> only quoted')).toBe('only quoted');
    expect(plain('```js\nlet a;\n```')).toBe('let a;');
    expect(plain('[docs](https://example.org)')).toBe('docs');
    expect(plain('')).toBe('');
  });
});

describe('emojiOnly', () => {
  it.each([
    ['😀', 1],
    ['👍🏽 ❤️', 2],
    ['👨‍👩‍👧‍👦', 1],
    ['🇨🇳🇩🇪', 2],
    ['1️⃣', 1],
    ['🏴󠁧󠁢󠁥󠁮󠁧󠁿', 1],
    ['🤷🏽‍♀️', 1],
    ['👩‍❤️‍💋‍👨', 1],
    ['🏳️‍🌈', 1],
    ['😀 a', 0],
    ['1', 0],
    ['©', 0],
    ['', 0],
    ['😀'.repeat(13), 0],
  ])('%s', (text, count) => {
    expect(emojiOnly(text)).toBe(count);
  });
});

it('written and original agree on a line', () => {
  const [block] = parse('a *b* `c`');
  expect(block?.kind === 'lines' && written(block.content)).toBe('a *b* `c`');
});
