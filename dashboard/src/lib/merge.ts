/** Joining pages of history with what arrives live. */

interface Numbered {
  readonly id: number;
}

/**
 * `live` and `history` as one list without doubles, newest first.
 *
 * History keeps the server's order (by day, then id): a line that came in late belongs to its own day. Live
 * events are sorted by id and stand before it. Where both hold an event, history's place counts.
 */
export function join<T extends Numbered>(live: readonly T[], history: readonly T[]): T[] {
  const past = unique(history);
  const known = new Set(past.map((item) => item.id));
  return [...newestFirst(live.filter((item) => !known.has(item.id))), ...past];
}

export interface Bounded<T> {
  readonly items: T[];
  /** True when something was thrown away to keep within the limit. */
  readonly overflowed: boolean;
}

/** `held` with `arrived` added, newest first and without doubles, and at most `limit` of them. */
export function collect<T extends Numbered>(
  held: readonly T[],
  arrived: readonly T[],
  limit: number,
): Bounded<T> {
  const items = newestFirst([...arrived, ...held]);
  return { items: items.slice(0, limit), overflowed: items.length > limit };
}

function unique<T extends Numbered>(items: readonly T[]): T[] {
  const seen = new Set<number>();
  return items.filter((item) => !seen.has(item.id) && seen.add(item.id));
}

function newestFirst<T extends Numbered>(items: readonly T[]): T[] {
  return unique(items).sort((a, b) => b.id - a.id);
}
