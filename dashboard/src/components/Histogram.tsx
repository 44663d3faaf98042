import { VisuallyHidden } from '@mantine/core';
import type { HourCount } from '../api/client';
import { number } from '../lib/number';
import { ceiling } from '../lib/scale';
import { hour } from '../lib/time';
import classes from './Histogram.module.css';

const LABEL_EVERY = 4;

/** Events by hour as bars, and as a table for those who cannot see them. */
export function Histogram({ hours }: { hours: readonly HourCount[] }) {
  const top = ceiling(Math.max(0, ...hours.map((entry) => entry.events)));
  return (
    <>
      <div className={classes['plot']} aria-hidden="true">
        <div className={classes['axis']}>
          <span>{number(top)}</span>
          <span>{number(top / 2)}</span>
          <span>0</span>
        </div>
        <div className={classes['bars']}>
          {hours.map((entry, at) => (
            <div key={entry.hour} className={classes['column']}>
              <div className={classes['track']}>
                <div
                  className={classes['bar']}
                  data-now={at === hours.length - 1 || undefined}
                  style={{ height: `${(100 * entry.events) / top}%` }}
                />
                <div className={classes['tip']}>
                  {hour(entry.hour)} · {number(entry.events)}
                </div>
              </div>
              <span className={classes['hour']}>
                {(hours.length - 1 - at) % LABEL_EVERY === 0 ? hour(entry.hour) : ''}
              </span>
            </div>
          ))}
        </div>
      </div>
      <VisuallyHidden>
        <table>
          <caption>Events by hour, UTC</caption>
          <thead>
            <tr>
              <th scope="col">Hour</th>
              <th scope="col">Events</th>
            </tr>
          </thead>
          <tbody>
            {hours.map((entry) => (
              <tr key={entry.hour}>
                <th scope="row">{hour(entry.hour)}</th>
                <td>{entry.events}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </VisuallyHidden>
    </>
  );
}
