import { memo } from 'react';
import type { LogItem } from '../api/client';
import { describe } from '../lib/describe';
import { clock } from '../lib/time';
import { EventBadge } from './EventBadge';
import classes from './EventTable.module.css';
import { Visible } from './Visible';

/** What a table cell can show anyway; a description may be 64 KiB long. */
const SHOWN = 300;

interface Props {
  item: LogItem;
  /** Row number in the whole table, the heading being 1. */
  index: number;
  onOpen: (item: LogItem) => void;
}

/** One event. The button in it is for the keyboard; the mouse may click anywhere. */
export const EventRow = memo(function EventRow({ item, index, onOpen }: Props) {
  return (
    <tr
      className={classes['row']}
      aria-rowindex={index}
      onClick={() => onOpen(item)}
      data-testid={`event-${item.id}`}
    >
      <td>
        <button type="button" className={classes['open']} aria-haspopup="dialog" title={item.occurred_at}>
          {clock(item.occurred_at, new Date())}
        </button>
      </td>
      <td>
        <Visible text={item.decky} titled />
      </td>
      <td>
        <Visible text={item.service} titled />
      </td>
      <td>
        <EventBadge eventId={item.event_id} />
      </td>
      <td className={classes['mono']}>{item.src_ip ?? '–'}</td>
      <td className={classes['mono']}>
        <Visible text={describe(item).slice(0, SHOWN)} titled />
      </td>
    </tr>
  );
});
