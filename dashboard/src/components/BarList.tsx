import { Link } from '@tanstack/react-router';
import type { Count } from '../api/client';
import type { Tone } from '../lib/describe';
import type { FilterName } from '../lib/filters';
import { number } from '../lib/number';
import classes from './BarList.module.css';
import { Visible } from './Visible';

interface Props {
  counts: readonly Count[];
  /** The filter of the events page that a name of this list is a value of. */
  filter: FilterName;
  limit?: number;
  /** The colour of a bar. */
  toneOf?: (name: string) => Tone;
  /** The name of everything that is not told apart, which no filter finds. */
  rest?: string;
}

/** Names with their numbers as bars; each leads to its events. */
export function BarList({ counts, filter, limit = 8, rest, toneOf = () => 'teal' }: Props) {
  if (counts.length === 0) return <p className={classes['none']}>Nothing yet.</p>;
  const most = Math.max(...counts.map((count) => count.events));
  return (
    <ol className={classes['list']}>
      {counts.slice(0, limit).map((count) => (
        <li key={count.name} className={classes['row']}>
          <span
            className={classes['bar']}
            data-tone={toneOf(count.name)}
            style={{ width: `${Math.max(1, (100 * count.events) / most)}%` }}
            aria-hidden="true"
          />
          {count.name === rest ? (
            <span className={classes['name']}>{count.name}</span>
          ) : (
            <Link className={classes['name'] ?? ''} to="/events" search={{ [filter]: count.name }}>
              <Visible text={count.name} titled />
            </Link>
          )}
          <span className={classes['number']}>{number(count.events)}</span>
        </li>
      ))}
    </ol>
  );
}
