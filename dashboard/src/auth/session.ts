/** Who is logged in. The token lives in memory and in sessionStorage: it ends with the browser tab. */

const KEY = 'decnet.session';

export interface Session {
  readonly token: string;
  readonly username: string;
  /** The server refuses everything but a password change while this is true. */
  readonly mustChangePassword: boolean;
}

type Listener = () => void;

let current: Session | null = restore();
const listeners = new Set<Listener>();

function restore(): Session | null {
  try {
    const text = sessionStorage.getItem(KEY);
    const found: unknown = text === null ? null : JSON.parse(text);
    return isSession(found) ? found : null;
  } catch {
    return null; // storage is switched off or holds something else: log in again
  }
}

function isSession(value: unknown): value is Session {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as Record<string, unknown>;
  return (
    typeof fields['token'] === 'string' &&
    typeof fields['username'] === 'string' &&
    typeof fields['mustChangePassword'] === 'boolean'
  );
}

/** The present session, or null. */
export function getSession(): Session | null {
  return current;
}

/** Replaces the session; null logs out. */
export function setSession(session: Session | null): void {
  current = session;
  try {
    if (session === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, JSON.stringify(session));
  } catch {
    // Without storage a reload asks for the password again; that is all.
  }
  for (const listener of listeners) listener();
}

/** Calls `listener` after each change; returns how to stop. */
export function onSession(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
