import { createRootRoute, createRoute, createRouter, Outlet, redirect } from '@tanstack/react-router';
import { getSession } from './auth/session';
import { Layout } from './components/Layout';
import { NotFound } from './components/NotFound';
import { readFilters } from './lib/filters';
import { safeTarget } from './lib/target';
import { DeckiesPage } from './pages/DeckiesPage';
import { EventsPage } from './pages/EventsPage';
import { LoginPage } from './pages/LoginPage';
import { OverviewPage } from './pages/OverviewPage';
import { PasswordPage } from './pages/PasswordPage';

const root = createRootRoute({ component: Outlet, notFoundComponent: NotFound });

const login = createRoute({
  getParentRoute: () => root,
  path: '/login',
  validateSearch: (search): { to?: string } =>
    search['to'] === undefined ? {} : { to: safeTarget(search['to']) },
  beforeLoad: ({ search }) => {
    const session = getSession();
    if (session?.mustChangePassword) throw redirect({ to: '/password' });
    if (session !== null) throw redirect({ href: safeTarget(search.to) });
  },
  component: LoginPage,
});

const password = createRoute({
  getParentRoute: () => root,
  path: '/password',
  beforeLoad: () => {
    if (getSession() === null) throw redirect({ to: '/login' });
  },
  component: PasswordPage,
});

const inside = createRoute({
  getParentRoute: () => root,
  id: 'inside',
  beforeLoad: ({ location }) => {
    const session = getSession();
    if (session === null)
      throw redirect({ to: '/login', search: location.href === '/' ? {} : { to: location.href } });
    if (session.mustChangePassword) throw redirect({ to: '/password' });
  },
  component: Layout,
});

const overview = createRoute({ getParentRoute: () => inside, path: '/', component: OverviewPage });
const events = createRoute({
  getParentRoute: () => inside,
  path: '/events',
  validateSearch: readFilters,
  component: EventsPage,
});
const deckies = createRoute({
  getParentRoute: () => inside,
  path: '/deckies',
  component: DeckiesPage,
});

const routeTree = root.addChildren([login, password, inside.addChildren([overview, events, deckies])]);

/** The router of the page. */
export function makeRouter() {
  return createRouter({ routeTree, defaultNotFoundComponent: NotFound });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
