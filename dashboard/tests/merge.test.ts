import { describe, expect, it } from 'vitest';
import { collect, join } from '../src/lib/merge';

const of = (...ids: number[]) => ids.map((id) => ({ id }));
const ids = (items: { id: number }[]) => items.map((item) => item.id);

describe('join', () => {
  it('puts live events first and shows each event once', () => {
    expect(ids(join(of(12, 11, 10), of(10, 9, 8)))).toEqual([12, 11, 10, 9, 8]);
  });

  it('sorts live events, which come in the order of their commit', () => {
    expect(ids(join(of(5, 7, 6), of(4)))).toEqual([7, 6, 5, 4]);
  });

  it("keeps the server's order of history: a late line belongs to its own day", () => {
    expect(ids(join(of(21), of(20, 19, 5, 18)))).toEqual([21, 20, 19, 5, 18]);
  });

  it('survives pages that overlap', () => {
    expect(ids(join([], of(9, 8, 8, 7, 9)))).toEqual([9, 8, 7]);
  });
});

describe('collect', () => {
  it('keeps the newest within the limit and says when some went', () => {
    expect(collect(of(3, 2, 1), of(5, 4), 4)).toEqual({ items: of(5, 4, 3, 2), overflowed: true });
    expect(collect(of(3, 2), of(3), 4)).toEqual({ items: of(3, 2), overflowed: false });
  });
});
