/** Where a login leads to: only a path of ours, so that a crafted link cannot lead away. */
export function safeTarget(target: unknown): string {
  return typeof target === 'string' && /^\/(?![/\\])/.test(target) ? target : '/';
}
