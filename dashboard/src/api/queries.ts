/** What the pages ask the server for. */

import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import type { EventFilters } from '../lib/filters';
import { client, unwrap } from './client';

export const PAGE_SIZE = 100;

export const statsQuery = queryOptions({
  queryKey: ['stats'],
  queryFn: async ({ signal }) => unwrap(await client.GET('/api/v1/stats', { signal })),
  refetchInterval: 30_000,
});

export const deckiesQuery = queryOptions({
  queryKey: ['deckies'],
  queryFn: async ({ signal }) => unwrap(await client.GET('/api/v1/deckies', { signal })),
  refetchInterval: 5_000,
});

/** Which parts of the product are well. A 503 answer says so too. */
export const healthQuery = queryOptions({
  queryKey: ['health'],
  queryFn: async ({ signal }) => {
    const answer = await client.GET('/health', { signal });
    return answer.response.status === 503 && answer.error !== undefined ? answer.error : unwrap(answer);
  },
  refetchInterval: 15_000,
});

/** Events that fit `filters`, newest first, a page at a time. */
export function logsQuery(filters: EventFilters) {
  return infiniteQueryOptions({
    queryKey: ['logs', filters],
    queryFn: async ({ signal, pageParam }) => {
      const cursor = pageParam === null ? {} : { cursor: pageParam };
      const query = { ...filters, ...cursor, limit: PAGE_SIZE };
      return unwrap(await client.GET('/api/v1/logs', { params: { query }, signal }));
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    staleTime: Number.POSITIVE_INFINITY, // the stream keeps the top fresh …
    gcTime: 0, // … but only while the list is on the screen
    refetchOnReconnect: false,
  });
}
