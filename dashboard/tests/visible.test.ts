import { describe, expect, it } from 'vitest';
import { segments, visible, visibleJson } from '../src/lib/visible';

describe('visible', () => {
  it.each([
    ['plain text', 'plain text'],
    ['<script>alert(1)</script>', '<script>alert(1)</script>'],
    ['Grüße, 你好, שלום, 🎣', 'Grüße, 你好, שלום, 🎣'],
    ['\x1b[31mred\x07', '\\e[31mred\\x07'],
    ['a\nb\tc\rd\0e', 'a\\nb\\tc\\rd\\0e'],
    ['ad\u202enimda', 'ad\\u{202E}nimda'],
    ['a\u2066b\u2069', 'a\\u{2066}b\\u{2069}'],
    ['zero\u200bwidth\ufeff', 'zero\\u{200B}width\\u{FEFF}'],
    ['\u2028\u2029', '\\u{2028}\\u{2029}'],
    ['tag\u{E0041}', 'tag\\u{E0041}'],
    ['\ud800 alone', '\\u{D800} alone'],
    ['\x7f\x85\u00ad', '\\x7F\\x85\\xAD'],
  ])('%j is shown as %j', (text, shown) => {
    expect(visible(text)).toBe(shown);
  });

  it('names what it hides', () => {
    expect(segments('a\u202eb')).toEqual([
      { text: 'a', hidden: null },
      { text: '\\u{202E}', hidden: 'U+202E RIGHT-TO-LEFT OVERRIDE' },
      { text: 'b', hidden: null },
    ]);
    expect(segments('')).toEqual([]);
  });
});

describe('visibleJson', () => {
  it('is the same value without a hidden character', () => {
    const value = { text: 'a\u202e\x1b\u{E0041}\ud800\nb', list: ['\ufeff', 1, null] };
    const text = visibleJson(value);
    expect(JSON.parse(text)).toEqual(value);
    expect(visible(text.replaceAll('\n', ''))).toBe(text.replaceAll('\n', ''));
  });
});
