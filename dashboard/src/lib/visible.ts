/**
 * Attacker-controlled text, made safe to look at.
 *
 * React already keeps text from becoming markup. What it does not stop is text that lies: control
 * characters, bidirectional overrides that reorder a line, characters nobody can see. Each of those is
 * shown as its escape instead.
 */

export interface Segment {
  readonly text: string;
  /** Name of the hidden character when `text` is an escape that stands for it; else null. */
  readonly hidden: string | null;
}

const NAMES: Readonly<Record<number, string>> = {
  0: 'NULL',
  7: 'BELL',
  8: 'BACKSPACE',
  9: 'TAB',
  10: 'LINE FEED',
  13: 'CARRIAGE RETURN',
  27: 'ESCAPE',
  127: 'DELETE',
  173: 'SOFT HYPHEN',
  8203: 'ZERO WIDTH SPACE',
  8204: 'ZERO WIDTH NON-JOINER',
  8205: 'ZERO WIDTH JOINER',
  8206: 'LEFT-TO-RIGHT MARK',
  8207: 'RIGHT-TO-LEFT MARK',
  8232: 'LINE SEPARATOR',
  8233: 'PARAGRAPH SEPARATOR',
  8234: 'LEFT-TO-RIGHT EMBEDDING',
  8235: 'RIGHT-TO-LEFT EMBEDDING',
  8236: 'POP DIRECTIONAL FORMATTING',
  8237: 'LEFT-TO-RIGHT OVERRIDE',
  8238: 'RIGHT-TO-LEFT OVERRIDE',
  8294: 'LEFT-TO-RIGHT ISOLATE',
  8295: 'RIGHT-TO-LEFT ISOLATE',
  8296: 'FIRST STRONG ISOLATE',
  8297: 'POP DIRECTIONAL ISOLATE',
  65279: 'BYTE ORDER MARK',
};

const SHORT: Readonly<Record<number, string>> = { 0: '\\0', 9: '\\t', 10: '\\n', 13: '\\r', 27: '\\e' };

/** Control, format (bidi, zero width, tags), separator, private, unassigned code points; lone surrogates. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Zl}\p{Zp}\u115F\u1160\u3164\uFFA0]/u;

function escapeOf(codePoint: number): string {
  const short = SHORT[codePoint];
  if (short !== undefined) return short;
  const hex = codePoint.toString(16).toUpperCase();
  if (codePoint <= 0xff) return `\\x${hex.padStart(2, '0')}`;
  return `\\u{${hex.padStart(4, '0')}}`;
}

function nameOf(codePoint: number): string {
  const point = `U+${codePoint.toString(16).toUpperCase().padStart(4, '0')}`;
  const name = NAMES[codePoint];
  return name === undefined ? point : `${point} ${name}`;
}

/** `text` cut where hidden characters are; joining every `text` gives what should be shown. */
export function segments(text: string): Segment[] {
  const found: Segment[] = [];
  let plain = '';
  for (const character of text) {
    if (!HIDDEN.test(character)) {
      plain += character;
      continue;
    }
    if (plain !== '') found.push({ text: plain, hidden: null });
    plain = '';
    const codePoint = character.codePointAt(0) ?? 0;
    found.push({ text: escapeOf(codePoint), hidden: nameOf(codePoint) });
  }
  if (plain !== '') found.push({ text: plain, hidden: null });
  return found;
}

/** `text` with every hidden character escaped, for titles, labels and the clipboard. */
export function visible(text: string): string {
  return segments(text)
    .map((segment) => segment.text)
    .join('');
}

/** JSON of `value` that is still the same JSON but carries no hidden character: safe to paste anywhere. */
export function visibleJson(value: unknown): string {
  return Array.from(JSON.stringify(value, null, 2), (character) =>
    character !== '\n' && HIDDEN.test(character)
      ? Array.from(
          { length: character.length },
          (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`,
        ).join('')
      : character,
  ).join('');
}
