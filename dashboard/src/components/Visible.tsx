import { segments, visible } from '../lib/visible';
import classes from './Visible.module.css';

interface Props {
  text: string;
  /** Also the tooltip: for places that cut long text off. */
  titled?: boolean;
}

/** Attacker-controlled text: always text, hidden characters shown, its direction kept to itself. */
export function Visible({ text, titled = false }: Props) {
  return (
    <bdi className={classes['text']} title={titled ? visible(text) : undefined}>
      {segments(text).map((segment, at) =>
        segment.hidden === null ? (
          segment.text
        ) : (
          // biome-ignore lint/suspicious/noArrayIndexKey: the pieces of one text never change places
          <span key={at} className={classes['hidden']} title={segment.hidden}>
            {segment.text}
          </span>
        ),
      )}
    </bdi>
  );
}
