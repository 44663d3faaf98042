import { Button } from '@mantine/core';
import { IconActivity, IconDevices, IconKey, IconLayoutDashboard, IconLogout } from '@tabler/icons-react';
import { Link, Outlet } from '@tanstack/react-router';
import { LiveProvider } from '../api/LiveProvider';
import { setSession } from '../auth/session';
import { useSession } from '../auth/useSession';
import classes from './Layout.module.css';
import { LiveIndicator } from './LiveIndicator';
import { Logo } from './Logo';
import { ThemeSwitch } from './ThemeSwitch';

const PAGES = [
  { to: '/', name: 'Overview', Icon: IconLayoutDashboard },
  { to: '/events', name: 'Events', Icon: IconActivity },
  { to: '/deckies', name: 'Deckies', Icon: IconDevices },
] as const;

/** What is around every page once somebody is logged in. */
export function Layout() {
  const session = useSession();
  if (session === null) return null; // on the way to the login page
  return (
    <LiveProvider token={session.token}>
      <a className={classes['skip']} href="#main">
        Skip to content
      </a>
      <div className={classes['frame']}>
        <header className={classes['side']}>
          <div className={classes['top']}>
            <Logo />
            <LiveIndicator />
          </div>
          <nav className={classes['nav']} aria-label="Pages">
            {PAGES.map(({ to, name, Icon }) => (
              <Link
                key={to}
                to={to}
                className={classes['link'] ?? ''}
                activeOptions={{ exact: to === '/', includeSearch: false }}
              >
                <Icon size={18} aria-hidden />
                {name}
              </Link>
            ))}
          </nav>
          <div className={classes['foot']}>
            <ThemeSwitch />
            <p className={classes['who']}>
              Logged in as <strong>{session.username}</strong>
            </p>
            <div className={classes['account']}>
              <Link to="/password" className={classes['link'] ?? ''}>
                <IconKey size={18} aria-hidden />
                Change password
              </Link>
              <Button
                variant="default"
                size="xs"
                leftSection={<IconLogout size={15} aria-hidden />}
                onClick={() => setSession(null)}
              >
                Log out
              </Button>
            </div>
          </div>
        </header>
        <main id="main" tabIndex={-1} className={classes['main']}>
          <Outlet />
        </main>
      </div>
    </LiveProvider>
  );
}
