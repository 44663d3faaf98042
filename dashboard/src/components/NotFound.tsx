import { Link } from '@tanstack/react-router';
import classes from './Gate.module.css';
import { useTitle } from './useTitle';

/** For a path that leads nowhere. */
export function NotFound() {
  useTitle('Not found');
  return (
    <main className={classes['gate']}>
      <div className={classes['card']}>
        <h1 className={classes['title']}>There is no such page</h1>
        <p className={classes['lead']}>
          The address may be mistyped. <Link to="/">Go to the overview</Link>
        </p>
      </div>
    </main>
  );
}
