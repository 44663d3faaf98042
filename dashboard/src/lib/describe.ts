/** One line that says what an event was, and how loud to say it. */

import type { LogItem } from '../api/client';

export type Tone = 'grey' | 'blue' | 'teal' | 'violet' | 'amber' | 'red';

const TONES = new Map<string, Tone>(
  Object.entries({
    credential: 'amber',
    hidden_input: 'amber',
    public_key: 'violet',
    command: 'red',
    session_opened: 'red',
    forward_request: 'red',
    egress_refused: 'red',
    address_conflict: 'red',
    disguise_failed: 'red',
    http_request: 'blue',
    client_version: 'blue',
    connect: 'teal',
    disguise_on: 'teal',
    service_started: 'teal',
  } as const),
);

/** How loud an event of this id is; grey for ids not known here. */
export function tone(eventId: string): Tone {
  return TONES.get(eventId) ?? 'grey';
}

type Fields = Readonly<Record<string, unknown>>;

function get(fields: Fields, name: string): string {
  const value = fields[name];
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

const SENTENCES = new Map<string, (f: Fields) => string>(
  Object.entries({
    credential: (f: Fields) =>
      `${get(f, 'principal')} / ${get(f, 'secret_printable')} ${outcome(get(f, 'outcome'))}`.trimEnd(),
    public_key: (f: Fields) =>
      `${get(f, 'principal')} offered ${get(f, 'key_type')} ${get(f, 'fingerprint')}`,
    command: (f: Fields) => `${get(f, 'principal')} $ ${get(f, 'command')}`,
    hidden_input: (f: Fields) => `${get(f, 'principal')} typed ${get(f, 'input')}`,
    session_opened: (f: Fields) => `${get(f, 'principal')} logged in ${get(f, 'terminal')}`.trimEnd(),
    session_closed: (f: Fields) =>
      get(f, 'duration') === '' ? 'session ended' : `after ${get(f, 'duration')} s`,
    client_version: (f: Fields) => get(f, 'version'),
    http_request: (f: Fields) => `${get(f, 'method')} ${get(f, 'path')} → ${get(f, 'status')}`,
    forward_request: (f: Fields) => `${get(f, 'direction')} to ${get(f, 'host')}:${get(f, 'port')}`,
    egress_refused: (f: Fields) =>
      `${get(f, 'protocol')} to ${get(f, 'dst_ip')}:${get(f, 'dst_port')} stopped, ${get(f, 'attempts')} tries`,
    address_conflict: (f: Fields) => `${get(f, 'address')} is also held by ${get(f, 'mac')}`,
    disguise_failed: (f: Fields) => get(f, 'reason'),
    disguise_on: (f: Fields) => get(f, 'address'),
    service_started: (f: Fields) => get(f, 'version'),
    connect: (f: Fields) => (get(f, 'dst_port') === '' ? '' : `to port ${get(f, 'dst_port')}`),
    disconnect: (f: Fields) => get(f, 'reason'),
  }),
);

function outcome(text: string): string {
  return text === '' ? '' : `(${text})`;
}

/** One line about `item`. It holds attacker-controlled text: render it with <Visible>. */
export function describe(item: LogItem): string {
  const fields = item.fields as Fields;
  const sentence = SENTENCES.get(item.event_id)?.(fields) ?? '';
  if (sentence !== '') return sentence;
  const spoken = item.message !== '' ? item.message : (item.raw ?? '');
  if (spoken !== '') return spoken;
  return Object.entries(fields)
    .filter(([name]) => name !== 'src_ip' && name !== 'src_port')
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(' ');
}

const SEVERITIES = ['emergency', 'alert', 'critical', 'error', 'warning', 'notice', 'info', 'debug'] as const;

/** The name of a syslog severity (RFC 5424, 6.2.1). */
export function severity(level: number): string {
  return SEVERITIES[level] ?? String(level);
}
