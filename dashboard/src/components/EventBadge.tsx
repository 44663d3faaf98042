import { tone } from '../lib/describe';
import classes from './EventBadge.module.css';
import { Visible } from './Visible';

/** The id of an event in the colour of its weight. */
export function EventBadge({ eventId }: { eventId: string }) {
  return (
    <span className={classes['badge']} data-tone={tone(eventId)}>
      <Visible text={eventId} />
    </span>
  );
}
