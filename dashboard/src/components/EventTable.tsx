import { Button, Loader } from '@mantine/core';
import { IconArrowUp, IconRadar2 } from '@tabler/icons-react';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useRef } from 'react';
import type { LogItem } from '../api/client';
import { EmptyState } from './EmptyState';
import { EventRow } from './EventRow';
import classes from './EventTable.module.css';

const ROW_HEIGHT = 38;
/** Nearer than this to the end, the next page is asked for. */
const AHEAD = 20;
const HEADINGS = ['Time (UTC)', 'Decky', 'Service', 'Event', 'Source', 'What'] as const;

interface Props {
  items: readonly LogItem[];
  loading: boolean;
  filtered: boolean;
  /** How many live events wait to be let in, as text. */
  waiting: string;
  hasWaiting: boolean;
  release: () => void;
  /** Whether the list is scrolled to its top; told when that changes. */
  onTop: (top: boolean) => void;
  more: { has: boolean; busy: boolean; load: () => unknown };
  onOpen: (item: LogItem) => void;
}

/** The events as a table of which only the visible rows are in the page. */
export function EventTable(props: Props) {
  const { items, more, onTop } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const top = useRef(true);
  const virtual = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    getItemKey: (index) => items[index]?.id ?? index,
    overscan: 12,
  });
  const rows = virtual.getVirtualItems();
  const first = rows[0];
  const last = rows.at(-1);
  const nearEnd = (last?.index ?? 0) >= items.length - AHEAD;

  useEffect(() => {
    if (nearEnd && more.has && !more.busy) more.load();
  }, [nearEnd, more]);

  const scrolled = () => {
    const now = (scroller.current?.scrollTop ?? 0) < ROW_HEIGHT / 2;
    if (now === top.current) return;
    top.current = now;
    onTop(now);
  };
  const release = () => {
    props.release();
    scroller.current?.scrollTo({ top: 0 });
  };
  return (
    <div className={classes['frame']}>
      {props.hasWaiting && (
        <Button
          className={classes['waiting'] ?? ''}
          size="xs"
          radius="xl"
          leftSection={<IconArrowUp size={14} aria-hidden />}
          onClick={release}
        >
          {props.waiting} new
        </Button>
      )}
      <section ref={scroller} className={classes['scroller']} onScroll={scrolled} aria-label="Events">
        <table className={classes['table']} aria-rowcount={more.has ? -1 : items.length + 1}>
          <thead>
            <tr>
              {HEADINGS.map((heading) => (
                <th key={heading} scope="col">
                  {heading}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            <Gap height={first?.start ?? 0} />
            {rows.map((row) => {
              const item = items[row.index];
              return (
                item && <EventRow key={row.key} item={item} index={row.index + 2} onOpen={props.onOpen} />
              );
            })}
            <Gap height={virtual.getTotalSize() - (last?.end ?? 0)} />
          </tbody>
        </table>
        <Below {...props} />
      </section>
    </div>
  );
}

/** Stands for the rows that are not in the page. */
function Gap({ height }: { height: number }) {
  if (height <= 0) return null;
  return (
    <tr>
      <td className={classes['gap']} colSpan={HEADINGS.length} style={{ height }} />
    </tr>
  );
}

function Below({ items, loading, filtered, more }: Props) {
  if (loading || more.busy) {
    return (
      <div className={classes['below']}>
        <Loader size="sm" aria-label="Loading events" />
      </div>
    );
  }
  if (items.length > 0) return more.has ? null : <div className={classes['below']}>No older events</div>;
  if (filtered) {
    return (
      <EmptyState icon={<IconRadar2 aria-hidden />} title="No event fits">
        Nothing that is kept fits the search. Take a filter away, or wait: fitting events appear as they
        happen.
      </EmptyState>
    );
  }
  return (
    <EmptyState icon={<IconRadar2 aria-hidden />} title="All quiet" command="make demo">
      Nobody has touched a decky yet. To see what it looks like when somebody does, let the demo's intruder
      in.
    </EmptyState>
  );
}
