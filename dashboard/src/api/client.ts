/** The typed client. Adds the token, and ends the session when the server no longer takes it. */

import createClient, { type Middleware } from 'openapi-fetch';
import { getSession, setSession } from '../auth/session';
import type { components, paths } from './schema';

export type LogItem = components['schemas']['LogItem'];
export type Decky = components['schemas']['DeckyItem'];
export type Stats = components['schemas']['StatsAnswer'];
export type Count = components['schemas']['Count'];
export type HourCount = components['schemas']['HourCount'];

/** An answer other than success, with a sentence for the user. */
export class ApiError extends Error {
  readonly status: number;
  /** Seconds to wait before the next try, where the server said so. */
  readonly retryAfter: number | null;
  /** Sentences by the name of the field of the request that they are about. */
  readonly fields: Readonly<Record<string, string[]>>;

  constructor(status: number, body?: unknown, retryAfter: number | null = null) {
    super(status === 0 ? UNREACHABLE : sentence(body, status));
    this.name = 'ApiError';
    this.status = status;
    this.retryAfter = retryAfter;
    this.fields = fieldProblems(body);
  }
}

const UNREACHABLE = 'The server does not answer. Check the connection and try again.';
const PUBLIC = '/api/v1/auth/login';

const session: Middleware = {
  onRequest({ request, schemaPath }) {
    const token = getSession()?.token;
    if (token !== undefined && schemaPath !== PUBLIC) request.headers.set('Authorization', `Bearer ${token}`);
    return request;
  },
  onResponse({ request, response, schemaPath }) {
    if (schemaPath !== PUBLIC) endSessionOn(response.status, request.headers.get('Authorization'));
    return response;
  },
  onError() {
    return new ApiError(0);
  },
};

/** Ends the session after a 401, unless it has been replaced since the request was sent. */
export function endSessionOn(status: number, sentAuthorization: string | null): void {
  const current = getSession();
  if (status === 401 && current !== null && sentAuthorization === `Bearer ${current.token}`) setSession(null);
}

export const client = createClient<paths>({ baseUrl: '' });
client.use(session);

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The body of a successful answer. Throws ApiError otherwise. */
export function unwrap<T>({ data, error, response }: Answer<T>): T {
  if (response.ok) return data as T;
  const seconds = Number(response.headers.get('Retry-After') ?? Number.NaN);
  throw new ApiError(response.status, error, seconds > 0 ? Math.ceil(seconds) : null);
}

type Problem = components['schemas']['Problem'];

function detailOf(body: unknown): string | Problem[] | null {
  const detail = (body as { detail?: unknown } | null | undefined)?.detail;
  return typeof detail === 'string' || Array.isArray(detail) ? (detail as string | Problem[]) : null;
}

/** What an error's body says, as a sentence; the status where it says nothing. */
export function sentence(body: unknown, status: number): string {
  const detail = detailOf(body);
  const text = typeof detail === 'string' ? detail : (detail ?? []).map((problem) => problem.msg).join('; ');
  return text === '' ? `The server answered with status ${status}.` : capital(text);
}

/** The problems of a 422 answer by field. */
export function fieldProblems(body: unknown): Record<string, string[]> {
  const detail = detailOf(body);
  const found: Record<string, string[]> = {};
  if (typeof detail === 'string' || detail === null) return found;
  for (const problem of detail) {
    const field = String(problem.loc.at(-1) ?? '');
    found[field] = [...(found[field] ?? []), capital(problem.msg)];
  }
  return found;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
