/** The lines of `text` laid out, when it is a JSON object or array; null otherwise. */
export function pretty(text: string): string[] | null {
  if (!/^[[{]/.test(text)) return null;
  try {
    return JSON.stringify(JSON.parse(text), null, 2).split('\n');
  } catch {
    return null;
  }
}
