import type { ReactNode } from 'react';
import classes from './Gate.module.css';
import { Logo } from './Logo';
import { ThemeSwitch } from './ThemeSwitch';
import { useTitle } from './useTitle';

interface Props {
  title: string;
  lead: string;
  children: ReactNode;
}

/** The frame of the pages in front of the product: log in, change the password. */
export function Gate({ title, lead, children }: Props) {
  useTitle(title);
  return (
    <main className={classes['gate']}>
      <div className={classes['card']}>
        <div className={classes['brand']}>
          <Logo />
        </div>
        <h1 className={classes['title']}>{title}</h1>
        <p className={classes['lead']}>{lead}</p>
        {children}
      </div>
      <ThemeSwitch />
    </main>
  );
}
