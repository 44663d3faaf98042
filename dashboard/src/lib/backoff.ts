/** How long to wait before a connection is tried again. */

const FIRST_MS = 500;
const LONGEST_MS = 15_000;

/**
 * Milliseconds before try number `attempt` (0 is the first after a loss): doubling, capped, and spread over
 * the upper half by `random` (0 to 1) so that many dashboards do not come back in step.
 */
export function backoff(attempt: number, random: number, first: number = FIRST_MS): number {
  const ceiling = Math.min(LONGEST_MS, first * 2 ** Math.min(attempt, 16));
  return Math.round(ceiling / 2 + (ceiling / 2) * random);
}
