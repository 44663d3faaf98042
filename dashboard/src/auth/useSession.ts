import { useSyncExternalStore } from 'react';
import { getSession, onSession, type Session } from './session';

/** The present session; the component renders again when it changes. */
export function useSession(): Session | null {
  return useSyncExternalStore(onSession, getSession);
}
