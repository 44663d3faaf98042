/** Which events are shown. The same names as in the URL and in the API. */

import type { LogItem } from '../api/client';

export const FILTER_NAMES = ['search', 'decky', 'service', 'event_id', 'src_ip'] as const;
export type FilterName = (typeof FILTER_NAMES)[number];
export type EventFilters = { [name in FilterName]?: string };

/** The filters among the parameters of a URL; empty and unknown ones are left out. */
export function readFilters(parameters: Record<string, unknown>): EventFilters {
  const filters: EventFilters = {};
  for (const name of FILTER_NAMES) {
    const value = parameters[name];
    const text = typeof value === 'number' ? String(value) : value;
    if (typeof text === 'string' && text.trim() !== '') filters[name] = text.trim();
  }
  return filters;
}

/** Whether a live event belongs to the list: what the server would say of it. */
export function matches(item: LogItem, filters: EventFilters): boolean {
  for (const name of ['decky', 'service', 'event_id', 'src_ip'] as const) {
    if (filters[name] !== undefined && item[name] !== filters[name]) return false;
  }
  return filters.search === undefined || contains(item, filters.search.toLowerCase());
}

function contains(item: LogItem, wanted: string): boolean {
  const texts = [
    item.message,
    item.raw ?? '',
    item.decky,
    item.service,
    item.event_id,
    item.hostname,
    item.src_ip ?? '',
    ...Object.entries(item.fields).flatMap(([name, value]) => [name, String(value)]),
  ];
  return texts.some((text) => text.toLowerCase().includes(wanted));
}
