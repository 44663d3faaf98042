/** The live stream: one connection for the page, resumed where it broke off. */

import { getSession } from '../auth/session';
import { backoff } from '../lib/backoff';
import { SseParser } from '../lib/sse';
import { endSessionOn, type LogItem } from './client';

export type StreamState = 'connecting' | 'live' | 'reconnecting';

export interface StreamHandlers {
  readonly onState: (state: StreamState) => void;
  readonly onEvents: (events: LogItem[]) => void;
  /** A connection that did not resume an earlier one: what happened before it must be asked for. */
  readonly onFreshStart: () => void;
}

const URL_PATH = '/api/v1/stream';
/** The server says something every 15 s; after three silent intervals the connection is dead. */
const SILENCE_MS = 45_000;

/** Opens the stream and keeps it open until `signal` aborts or the session ends. */
export async function follow(handlers: StreamHandlers, signal: AbortSignal): Promise<void> {
  let lastEventId = '';
  let first: number | undefined;
  let attempt = 0;
  handlers.onState('connecting');
  while (!signal.aborted && getSession() !== null) {
    const parser = new SseParser();
    parser.lastEventId = lastEventId;
    const began = lastEventId === '' ? handlers.onFreshStart : undefined;
    const outcome = await connectOnce(parser, handlers, signal, () => {
      attempt = 0;
      handlers.onState('live');
      began?.();
    });
    // A position the server does not know (any more) would be refused for ever.
    lastEventId = outcome === 'bad-position' ? '' : parser.lastEventId;
    first = parser.retry ?? first;
    if (signal.aborted) return;
    handlers.onState('reconnecting');
    await sleep(backoff(attempt, Math.random(), first), signal);
    attempt += 1;
  }
}

type Outcome = 'lost' | 'bad-position';

async function connectOnce(
  parser: SseParser,
  handlers: StreamHandlers,
  signal: AbortSignal,
  onOpen: () => void,
): Promise<Outcome> {
  const watchdog = new AbortController();
  const either = AbortSignal.any([signal, watchdog.signal]);
  const dead = () => watchdog.abort();
  let timer = setTimeout(dead, SILENCE_MS);
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(dead, SILENCE_MS);
  };
  addEventListener('offline', dead); // tells at once what silence would tell late
  try {
    const authorization = `Bearer ${getSession()?.token ?? ''}`;
    const headers: Record<string, string> = { Accept: 'text/event-stream', Authorization: authorization };
    if (parser.lastEventId !== '') headers['Last-Event-ID'] = parser.lastEventId;
    const response = await fetch(URL_PATH, { headers, signal: either, cache: 'no-store' });
    endSessionOn(response.status, authorization);
    if (!response.ok || response.body === null) return refused(response.status);
    onOpen();
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
      alive();
      const items = parser
        .push(text)
        .filter((event) => event.type === 'event')
        .map((event) => JSON.parse(event.data) as LogItem);
      if (items.length > 0) handlers.onEvents(items);
    }
  } catch {
    // Aborted, the network went away, or the stream was not one: each means to connect again.
  } finally {
    clearTimeout(timer);
    removeEventListener('offline', dead);
  }
  return 'lost';
}

function refused(status: number): Outcome {
  return status === 400 || status === 422 ? 'bad-position' : 'lost';
}

/** Waits, but no longer than until `signal` aborts or the network is back. */
function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      removeEventListener('online', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener('abort', end);
    addEventListener('online', end);
  });
}
