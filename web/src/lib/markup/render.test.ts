// Tests what the markup becomes in the page: only elements and attributes that were meant, and all of the text.
import { render } from 'svelte/server';
import { describe, expect, it } from 'vitest';
import Markup from './Markup.svelte';
import { random, randomText } from './testing';

function html(text: string, marks = false): string {
  return render(Markup, { props: { text, marks } }).body;
}

const TAGS = new Set(['div', 'p', 'strong', 'em', 's', 'code', 'a', 'bdi', 'span', 'button', 'blockquote', 'ul', 'ol', 'li', 'table', 'thead', 'tbody', 'tr', 'th', 'td', 'figure', 'pre', 'svg', 'path']);
const ATTRIBUTES = new Set([
  'class', 'dir', 'href', 'target', 'rel', 'title', 'type', 'aria-label', 'aria-hidden', 'aria-pressed', 'role', 'tabindex', 'scope', 'data-align', 'value', 'viewBox', 'viewbox', 'width', 'height', 'focusable', 'd',
]);

const decoded = (text: string): string => text.replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&quot;/g, '"').replace(/&#39;/g, "'").replace(/&amp;/g, '&');

/** Splits what the server renders, which escapes `<` in texts and `"` in values, into tags and texts. */
function inspect(body: string): { tags: { name: string; attributes: Map<string, string> }[]; text: string } {
  const tags: { name: string; attributes: Map<string, string> }[] = [];
  let text = '';
  const bare = body.replace(/<!--[\s\S]*?-->/g, '');
  for (const [, tag, words] of bare.matchAll(/<([^>]*)>|([^<]+)/g)) {
    if (words !== undefined) text += decoded(words);
    if (tag === undefined || tag.startsWith('/')) continue;
    const attributes = new Map<string, string>();
    for (const [, key, value] of tag.matchAll(/\s([^\s=/>]+)(?:="([^"]*)")?/g)) if (key) attributes.set(key, decoded(value ?? ''));
    tags.push({ name: /^[a-zA-Z]*/.exec(tag)?.[0] ?? '', attributes });
  }
  return { tags, text };
}

function expectHarmless(body: string): void {
  for (const { name, attributes } of inspect(body).tags) {
    expect(TAGS, body).toContain(name);
    for (const [key, value] of attributes) {
      expect(ATTRIBUTES, body).toContain(key);
      if (key === 'href') {
        expect(value, body).toMatch(/^(?:https?:\/\/|mailto:|xmpp:)/);
        expect(attributes.get('rel')).toBe('noopener noreferrer nofollow');
        expect(attributes.get('target')).toBe('_blank');
      }
    }
  }
}

const HOSTILE = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '"><svg onload=alert(1)>',
  "'-alert(1)-'",
  'javascript:alert(1)',
  'JaVaScRiPt:alert(1)',
  'java\nscript:alert(1)',
  'java\tscript:alert(1)',
  '[x](javascript:alert(1))',
  '[x](JAVASCRIPT://https://a.example/%0aalert(1))',
  '[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)',
  '[x](vbscript:msgbox(1))',
  '[x](https://a.example" onmouseover="alert(1))',
  'https://a.example/"onmouseover="alert(1)',
  "https://a.example/'onmouseover='alert(1)",
  'https://a.example/<script>alert(1)</script>',
  'https://a.example/`onerror=alert(1)',
  'https://javascript:alert(1)@a.example/',
  'http://javascript:alert(1)',
  'mailto:a@b.example?body=<script>alert(1)</script>',
  'mailto:"><script>alert(1)</script>@b.example',
  'xmpp:"onclick="alert(1)',
  '```"><script>alert(1)</script>\n</code></pre><script>alert(1)</script>\n```',
  '```html\n<script>alert(1)</script>\n```',
  '> <iframe src=javascript:alert(1)>',
  '- <style>@import "//a.example"</style>',
  '| <b> | {@html x} |\n|-|-|\n| ${alert(1)} | {{constructor.constructor("alert(1)")()}} |',
  '*<b onclick=alert(1)>*',
  '`<b>`',
  '&lt;script&gt;alert(1)&lt;/script&gt;',
  '&#x3C;script&#x3E;',
  '<!--<img src="--><img src=x onerror=alert(1)//">',
  '<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>',
  '\u0000<script>',
  '\ud800<script>',
  '<a href="javascript&colon;alert(1)">',
  '{@html "<b>"}',
  '__proto__ constructor toString',
  '```__proto__\nx\n```',
  '```constructor\nx\n```',
];

describe('the page', () => {
  it.each(HOSTILE)('is safe from %j', (text) => {
    expectHarmless(html(text));
    expectHarmless(html(text, true));
  });

  it('is safe from random texts, too', () => {
    const next = random(1);
    for (let round = 0; round < 400; round += 1) expectHarmless(html(randomText(next, 1 + Math.floor(next() * 30)).replace(/[\ud800-\udfff]/g, '')));
  });

  it('is safe from hostile mentions', () => {
    const body = render(Markup, {
      props: { text: '@<b>Anna', mentions: [{ kind: 'person', address: '"><script>alert(1)</script>', begin: 0, end: 8 }], onmention: () => undefined },
    }).body;
    expectHarmless(body);
    expect(inspect(body).text).toBe('@<b>Anna');
  });

  it('shows lines exactly as they were written, with the marks', () => {
    const next = random(7);
    for (let round = 0; round < 400; round += 1) {
      const text = `x${randomText(next, 1 + Math.floor(next() * 20)).replace(/[\ud800-\udfff\n|\r]/g, '')}`;
      expect(inspect(html(text, true)).text).toBe(text);
    }
  });

  it('shows no marks otherwise', () => {
    expect(inspect(html('*a* _b_ ~c~ `d` [e](https://f.example)')).text).toBe('a b c d e');
  });

  it('says where a link with a label goes', () => {
    const link = inspect(html('[docs](https://example.org/x)')).tags.find((tag) => tag.name === 'a');
    expect(link?.attributes.get('title')).toContain('example.org');
  });

  it('shows a mention of the reader differently', () => {
    const mention = { kind: 'person' as const, address: 'me@a.example', begin: 0, end: 3 };
    expect(render(Markup, { props: { text: '@me', mentions: [mention], own: 'me@a.example' } }).body).toMatch(/class="mention own/);
    expect(render(Markup, { props: { text: '@me', mentions: [mention], own: 'you@a.example' } }).body).not.toMatch(/own/);
  });
});
