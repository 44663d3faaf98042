import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import type { LogItem } from '../api/client';
import { useLive } from '../api/LiveProvider';
import { logsQuery } from '../api/queries';
import { type EventFilters, matches } from '../lib/filters';
import { collect, join } from '../lib/merge';

/** Live events held beside the pages of history; beyond it, the newest page is asked for again. */
const LIVE_LIMIT = 500;
const REFRESH_MS = 5_000;

interface LiveEvents {
  readonly shown: LogItem[];
  readonly waiting: LogItem[];
  readonly overflowed: boolean;
}

const NOTHING: LiveEvents = { shown: [], waiting: [], overflowed: false };

/**
 * The events that fit `filters`: history in pages, live ones before it. While `held`, live events wait so
 * that the list does not move under the reader; `release` lets them in.
 */
export function useEventList(filters: EventFilters, held: boolean) {
  const { subscribe } = useLive();
  const queries = useQueryClient();
  const history = useInfiniteQuery(logsQuery(filters));
  const [live, setLive] = useState(NOTHING);
  const refreshed = useRef(0);

  useEffect(
    () =>
      subscribe((events) => {
        const fitting = events.filter((event) => matches(event, filters));
        if (fitting.length > 0) setLive((before) => add(before, fitting, held));
      }),
    [subscribe, filters, held],
  );

  const release = useCallback(() => setLive(letIn), []);

  // Too many live events to hold: begin anew from the newest page, which has the latest of them.
  useEffect(() => {
    if (!live.overflowed || held) return;
    const startAnew = async () => {
      refreshed.current = Date.now();
      const data = await queries.fetchInfiniteQuery({ ...logsQuery(filters), pages: 1, staleTime: 0 });
      const newest = data.pages[0]?.items[0]?.id ?? 0;
      setLive((before) => ({
        ...before,
        shown: before.shown.filter((event) => event.id > newest),
        overflowed: false,
      }));
    };
    const due = Math.max(0, refreshed.current + REFRESH_MS - Date.now());
    const timer = setTimeout(() => void startAnew().catch(() => undefined), due);
    return () => clearTimeout(timer);
  }, [live.overflowed, held, queries, filters]);

  const items = useMemo(
    () => join(live.shown, history.data?.pages.flatMap((page) => page.items) ?? []),
    [live.shown, history.data],
  );
  return { items, history, waiting: live.waiting.length, full: live.waiting.length >= LIVE_LIMIT, release };
}

function add(before: LiveEvents, arrived: LogItem[], held: boolean): LiveEvents {
  const { items, overflowed } = collect(held ? before.waiting : before.shown, arrived, LIVE_LIMIT);
  return {
    ...before,
    [held ? 'waiting' : 'shown']: items,
    overflowed: before.overflowed || overflowed,
  };
}

function letIn(before: LiveEvents): LiveEvents {
  if (before.waiting.length === 0) return before;
  const { items, overflowed } = collect(before.shown, before.waiting, LIVE_LIMIT);
  return { shown: items, waiting: [], overflowed: before.overflowed || overflowed };
}
