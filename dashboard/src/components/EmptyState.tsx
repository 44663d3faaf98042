import type { ReactNode } from 'react';
import { CopyButton } from './CopyButton';
import classes from './EmptyState.module.css';

interface Props {
  icon: ReactNode;
  title: string;
  children: ReactNode;
  /** The next command to type, offered for copying. */
  command?: string;
}

/** What stands where nothing is: why, and what to do next. */
export function EmptyState({ icon, title, children, command }: Props) {
  return (
    <div className={classes['empty']}>
      <span className={classes['icon']}>{icon}</span>
      <p className={classes['title']}>{title}</p>
      <p className={classes['text']}>{children}</p>
      {command !== undefined && (
        <div className={classes['command']}>
          <code>{command}</code>
          <CopyButton label="Copy" text={() => command} />
        </div>
      )}
    </div>
  );
}
