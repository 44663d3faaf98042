import { useLive } from '../api/LiveProvider';
import type { StreamState } from '../api/stream';
import classes from './LiveIndicator.module.css';

const TEXTS: Readonly<Record<StreamState, string>> = {
  connecting: 'CONNECTING',
  live: 'LIVE',
  reconnecting: 'RECONNECTING',
};

/** Whether events arrive as they happen. */
export function LiveIndicator() {
  const { state } = useLive();
  return (
    <span className={classes['live']} data-state={state} role="status" data-testid="live">
      <span className={classes['dot']} aria-hidden="true" />
      {TEXTS[state]}
    </span>
  );
}
