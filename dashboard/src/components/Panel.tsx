import { type ReactNode, useId } from 'react';
import classes from './Panel.module.css';

interface Props {
  title: string;
  note?: string;
  className?: string | undefined;
  children: ReactNode;
}

/** A box with a heading. */
export function Panel({ title, note, className, children }: Props) {
  const id = useId();
  return (
    <section className={`${classes['panel']} ${className ?? ''}`} aria-labelledby={id}>
      <div className={classes['head']}>
        <h2 id={id} className={classes['title']}>
          {title}
        </h2>
        {note !== undefined && <span className={classes['note']}>{note}</span>}
      </div>
      {children}
    </section>
  );
}
