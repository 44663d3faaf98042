const STEPS = [1, 2, 4, 5, 10] as const;

/** The round, even number at or above `most` that an axis ends with; at least 2. */
export function ceiling(most: number): number {
  if (most <= 2) return 2;
  const power = 10 ** Math.floor(Math.log10(most));
  const step = STEPS.find((factor) => factor * power >= most && (factor * power) % 2 === 0);
  return (step ?? 10) * power;
}
