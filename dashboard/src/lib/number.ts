const format = new Intl.NumberFormat('en-GB');

/** `1234567` as `1,234,567`. */
export function number(value: number): string {
  return format.format(value);
}
