import type { ReactNode } from 'react';
import classes from './Page.module.css';
import { useTitle } from './useTitle';

interface Props {
  title: string;
  subtitle: string;
  /** Controls at the right of the title. */
  actions?: ReactNode;
  /** The content takes what height is left and scrolls by itself. */
  fill?: boolean;
  children: ReactNode;
}

/** A page with its heading. */
export function Page({ title, subtitle, actions, fill = false, children }: Props) {
  useTitle(title);
  return (
    <div className={classes['page']} data-fill={fill || undefined}>
      <div className={classes['head']}>
        <div>
          <h1 className={classes['title']}>{title}</h1>
          <p className={classes['subtitle']}>{subtitle}</p>
        </div>
        <div className={classes['actions']}>{actions}</div>
      </div>
      {children}
    </div>
  );
}
