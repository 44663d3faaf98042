/** A text by which addresses sort as numbers: IPv4 before IPv6, none at all last. */
export function addressKey(address: string | null): string {
  if (address === null || address === '') return '9';
  const parts = address.split('.');
  if (parts.length !== 4) return `6${address}`;
  return `4${parts.map((part) => part.padStart(3, '0')).join('.')}`;
}
