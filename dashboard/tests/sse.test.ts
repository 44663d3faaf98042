import { describe, expect, it } from 'vitest';
import { type ServerEvent, SseParser } from '../src/lib/sse';

const STREAM =
  'retry: 2000\nid: 7-0\n\n: still here\n\nid: 8-1\nevent: event\ndata: {"id":1}\n\nevent: event\r\ndata: a\r\ndata:b\r\n\r\n';
const EXPECTED: ServerEvent[] = [
  { type: 'event', data: '{"id":1}', id: '8-1' },
  { type: 'event', data: 'a\nb', id: '8-1' },
];

function parse(...chunks: string[]): ServerEvent[] {
  const parser = new SseParser();
  return chunks.flatMap((chunk) => parser.push(chunk));
}

describe('SseParser', () => {
  it('reads events, comments, ids and the retry time', () => {
    const parser = new SseParser();
    expect(parser.push(STREAM)).toEqual(EXPECTED);
    expect(parser.lastEventId).toBe('8-1');
    expect(parser.retry).toBe(2000);
  });

  it('gives the same wherever the stream is cut', () => {
    for (let at = 0; at <= STREAM.length; at += 1) {
      expect(parse(STREAM.slice(0, at), STREAM.slice(at))).toEqual(EXPECTED);
    }
    expect(parse(...STREAM)).toEqual(EXPECTED);
  });

  it('takes an id without data as the position to resume from', () => {
    const parser = new SseParser();
    expect(parser.push('id: 42-7\n\n')).toEqual([]);
    expect(parser.lastEventId).toBe('42-7');
  });

  it('does not take the id of an event that never ended', () => {
    const parser = new SseParser();
    parser.push('id: 1-1\ndata: x\n\nid: 2-2\ndata: y\n');
    expect(parser.lastEventId).toBe('1-1');
  });

  it('ends lines at CR, LF and CR LF alike', () => {
    expect(parse('data: a\r\rdata: b\n\ndata: c\r\n\r\n\n').map((event) => event.data)).toEqual([
      'a',
      'b',
      'c',
    ]);
  });

  it('keeps all of a value but one leading space, and ignores what it does not know', () => {
    expect(parse('data:  two: colons\nnonsense: 1\nretry: soon\ndata\n\n')).toEqual([
      { type: 'message', data: ' two: colons\n', id: '' },
    ]);
  });

  it('skips a byte order mark at the start only', () => {
    expect(parse('\uFEFFdata: a\n\ndata: \uFEFFb\n\n').map((event) => event.data)).toEqual(['a', '\uFEFFb']);
  });

  it('refuses a line without end', () => {
    const parser = new SseParser();
    expect(() => {
      for (let count = 0; count < 5000; count += 1) parser.push('x'.repeat(1024));
    }).toThrow('too long');
  });
});
