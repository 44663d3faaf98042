import { describe, expect, it } from 'vitest';
import { ApiError, fieldProblems, type LogItem, sentence } from '../src/api/client';
import { addressKey } from '../src/lib/address';
import { backoff } from '../src/lib/backoff';
import { describe as describeEvent, severity, tone } from '../src/lib/describe';
import { matches, readFilters } from '../src/lib/filters';
import { rules } from '../src/lib/password';
import { pretty } from '../src/lib/pretty';
import { ceiling } from '../src/lib/scale';
import { safeTarget } from '../src/lib/target';
import { age, clock, hour, wait } from '../src/lib/time';

const EVENT: LogItem = {
  id: 1,
  occurred_at: '2026-02-03T04:05:06.789123Z',
  received_at: '2026-02-03T04:05:07Z',
  node: 'node-1',
  namespace: 'decnet',
  decky: 'web-front',
  service: 'ssh',
  event_id: 'credential',
  severity: 6,
  hostname: 'web01',
  src_ip: '192.0.2.7',
  src_port: 4242,
  fields: { principal: 'root', secret_printable: 'Toor', outcome: 'accepted' },
  message: '',
  raw: null,
  acknowledged: true,
};

describe('times', () => {
  const now = new Date('2026-02-03T10:00:00Z');

  it('are UTC, with the date when it is not today', () => {
    expect(clock(EVENT.occurred_at, now)).toBe('04:05:06.789');
    expect(clock('2026-02-02T23:00:00+00:00', now)).toBe('02-02 23:00:00.000');
    expect(hour('2026-02-03T04:00:00Z')).toBe('04:00');
  });

  it.each([
    ['2026-02-03T09:59:18Z', '42s'],
    ['2026-02-03T09:58:30Z', '90s'],
    ['2026-02-03T09:55:00Z', '5m'],
    ['2026-02-03T07:00:00Z', '3h'],
    ['2026-01-22T10:00:00Z', '12d'],
    ['2026-02-03T10:00:05Z', '0s'],
  ])('age of %s is %s', (iso, text) => {
    expect(age(iso, now)).toBe(text);
  });

  it('say how long to wait', () => {
    expect([wait(5), wait(60), wait(185)]).toEqual(['5 s', '1 min', '3 min 5 s']);
  });
});

describe('an event in a line', () => {
  it('says what happened', () => {
    expect(describeEvent(EVENT)).toBe('root / Toor (accepted)');
    expect(describeEvent({ ...EVENT, event_id: 'raw', fields: {}, raw: 'what?' })).toBe('what?');
    expect(describeEvent({ ...EVENT, event_id: 'new_one', fields: { a: 'b', src_ip: 'x' } })).toBe('a=b');
  });

  it('has a tone and a severity even when unknown', () => {
    expect([tone('command'), tone('toString'), severity(4), severity(99)]).toEqual([
      'red',
      'grey',
      'warning',
      '99',
    ]);
    expect(describeEvent({ ...EVENT, event_id: 'constructor', message: 'm' })).toBe('m');
  });
});

describe('filters', () => {
  it('come from the URL, whatever it holds', () => {
    expect(readFilters({ search: ' x ', decky: '', service: 22, src_ip: ['a'], other: 'y' })).toEqual({
      search: 'x',
      service: '22',
    });
  });

  it.each([
    [{}, true],
    [{ decky: 'web-front', service: 'ssh' }, true],
    [{ service: 'http' }, false],
    [{ search: 'TOOR' }, true],
    [{ search: '192.0.2' }, true],
    [{ search: 'absent' }, false],
    [{ search: 'toor', src_ip: '192.0.2.8' }, false],
  ])('%j fits: %s', (filters, fits) => {
    expect(matches(EVENT, filters)).toBe(fits);
  });
});

describe('errors', () => {
  it('are sentences, and belong to their fields', () => {
    const body = {
      detail: [
        { loc: ['body', 'new_password'], msg: 'use at least 12 characters', type: 'weak_password' },
        { loc: ['body', 'new_password'], msg: 'leave your user name out of it', type: 'weak_password' },
      ],
    };
    expect(sentence({ detail: 'wrong user name or password' }, 401)).toBe('Wrong user name or password');
    expect(sentence('<html>', 502)).toBe('The server answered with status 502.');
    expect(sentence(body, 422)).toBe('Use at least 12 characters; leave your user name out of it');
    expect(fieldProblems(body)).toEqual({
      new_password: ['Use at least 12 characters', 'Leave your user name out of it'],
    });
    expect(new ApiError(0).message).toContain('does not answer');
  });
});

describe('small things', () => {
  it('password rules', () => {
    const met = (wanted: string) => rules(wanted, 'old-Password-1', 'admin').map((rule) => rule.met);
    expect(met('')).toEqual([false, false, false, false]);
    expect(met('Correct-Horse-42')).toEqual([true, true, true, true]);
    expect(met('my-ADMIN-password')).toEqual([true, true, true, false]);
    expect(met('old-Password-1')).toEqual([true, true, false, true]);
  });

  it('backoff doubles, is capped and spread', () => {
    expect([0, 1, 2, 50].map((attempt) => backoff(attempt, 1))).toEqual([500, 1000, 2000, 15_000]);
    expect(backoff(0, 0, 2000)).toBe(1000);
  });

  it('the axis ends with a round, even number', () => {
    expect([0, 1, 2, 3, 9, 41, 100, 101, 999].map(ceiling)).toEqual([2, 2, 2, 4, 10, 50, 100, 200, 1000]);
  });

  it('addresses sort as numbers', () => {
    const addresses = [null, '10.0.0.20', '2001:db8::1', '10.0.0.3'];
    expect(addresses.sort((a, b) => addressKey(a).localeCompare(addressKey(b)))).toEqual([
      '10.0.0.3',
      '10.0.0.20',
      '2001:db8::1',
      null,
    ]);
  });

  it('JSON is laid out, anything else left alone', () => {
    expect(pretty('{"a":[1]}')).toEqual(['{', '  "a": [', '    1', '  ]', '}']);
    expect([pretty('12'), pretty('{broken'), pretty('text')]).toEqual([null, null, null]);
  });

  it('a login leads only to a path of ours', () => {
    expect([safeTarget('/events?service=ssh'), safeTarget(undefined)]).toEqual(['/events?service=ssh', '/']);
    expect(
      ['//evil.example', '/\\evil.example', 'https://evil.example', 'javascript:1'].map(safeTarget),
    ).toEqual(['/', '/', '/', '/']);
  });
});
