/** Times are shown in UTC everywhere: the same in every analyst's window and in every log. */

/** `2026-02-03T04:05:06.789123Z` as `04:05:06.789`, with the date before it when it is not `today`'s. */
export function clock(iso: string, today: Date): string {
  const text = new Date(iso).toISOString();
  const time = text.slice(11, 23);
  return text.slice(0, 10) === today.toISOString().slice(0, 10) ? time : `${text.slice(5, 10)} ${time}`;
}

/** `04:00` of an hour's start. */
export function hour(iso: string): string {
  return new Date(iso).toISOString().slice(11, 16);
}

const UNITS: readonly (readonly [string, number])[] = [
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
];

/** Age as kubectl writes it: `42s`, `5m`, `3h`, `12d`. */
export function age(iso: string, now: Date): string {
  const seconds = Math.max(0, Math.floor((now.getTime() - Date.parse(iso)) / 1000));
  for (const [unit, size] of UNITS) {
    if (seconds >= size * (unit === 'm' ? 2 : 1)) return `${Math.floor(seconds / size)}${unit}`;
  }
  return `${seconds}s`;
}

/** `3 min 5 s`, for a wait. */
export function wait(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  const rest = seconds % 60;
  if (minutes === 0) return `${rest} s`;
  return rest === 0 ? `${minutes} min` : `${minutes} min ${rest} s`;
}
