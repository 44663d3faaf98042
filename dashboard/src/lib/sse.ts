/**
 * A parser of `text/event-stream` (WHATWG HTML, 9.2.6), fed with text as it arrives.
 *
 * The browser's EventSource cannot send an Authorization header, and a token in the URL would end up in
 * logs; so the stream is read with fetch and parsed here.
 */

export interface ServerEvent {
  /** The `event:` field, `message` without one. */
  readonly type: string;
  readonly data: string;
  /** The last `id:` seen up to this event; empty when the server gave none. */
  readonly id: string;
}

/** Longest line kept, in UTF-16 units: a server line is at most 64 KiB of content plus its fields. */
const LINE_LIMIT = 4 * 1024 * 1024;

const LINE_END = /\r\n|\r|\n/;

export class SseParser {
  /** Sent back as Last-Event-ID; survives events without an id of their own. */
  lastEventId = '';
  /** Reconnection delay asked for by the server in milliseconds; null while it asked for none. */
  retry: number | null = null;

  /** The pieces of the line that has not ended yet; joined only once, so that a long one costs no more. */
  private pieces: string[] = [];
  private held = 0;
  /** The chunk before ended with CR: an LF that follows belongs to it. */
  private afterCr = false;
  private type = '';
  private data: string[] = [];
  private pendingId: string | null = null;
  private started = false;

  /** Takes the next piece of the stream; gives the events it completed. Throws on a line beyond the limit. */
  push(chunk: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    if (chunk === '') return events;
    let start = 0;
    if (!this.started && chunk.startsWith('\uFEFF')) start = 1;
    if (this.afterCr && chunk.startsWith('\n')) start = 1;
    this.started = true;
    this.afterCr = chunk.endsWith('\r');
    const lines = chunk.slice(start).split(LINE_END);
    const rest = lines.pop() ?? '';
    for (const line of lines) {
      this.line([...this.pieces, line].join(''), events);
      this.pieces = [];
      this.held = 0;
    }
    this.pieces.push(rest);
    this.held += rest.length;
    if (this.held > LINE_LIMIT) throw new Error('a line of the event stream is too long');
    return events;
  }

  private line(line: string, events: ServerEvent[]): void {
    if (line === '') {
      this.dispatch(events);
      return;
    }
    if (line.startsWith(':')) return;
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const rest = colon < 0 ? '' : line.slice(colon + 1);
    this.field(name, rest.startsWith(' ') ? rest.slice(1) : rest);
  }

  private field(name: string, value: string): void {
    if (name === 'event') this.type = value;
    else if (name === 'data') this.data.push(value);
    else if (name === 'id' && !value.includes('\0')) this.pendingId = value;
    else if (name === 'retry' && /^\d+$/.test(value)) this.retry = Number(value);
  }

  private dispatch(events: ServerEvent[]): void {
    if (this.pendingId !== null) this.lastEventId = this.pendingId;
    this.pendingId = null;
    if (this.data.length > 0) {
      events.push({ type: this.type || 'message', data: this.data.join('\n'), id: this.lastEventId });
    }
    this.type = '';
    this.data = [];
  }
}
