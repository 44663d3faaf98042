import { Button } from '@mantine/core';
import { IconPlayerPauseFilled, IconPlayerPlayFilled } from '@tabler/icons-react';
import { getRouteApi } from '@tanstack/react-router';
import { useCallback, useState } from 'react';
import type { LogItem } from '../api/client';
import { EventDrawer } from '../components/EventDrawer';
import { EventTable } from '../components/EventTable';
import { FilterBar } from '../components/FilterBar';
import { Page } from '../components/Page';
import { Problem } from '../components/Problem';
import type { EventFilters } from '../lib/filters';
import { useEventList } from './useEventList';

const route = getRouteApi('/inside/events');

/** Every event, live at the top and as far back as they are kept. */
export function EventsPage() {
  const filters = route.useSearch();
  const navigate = route.useNavigate();
  const setFilters = useCallback(
    (wanted: EventFilters) => void navigate({ search: wanted, replace: true }),
    [navigate],
  );
  const [paused, setPaused] = useState(false);
  return (
    <Page
      title="Events"
      subtitle="As they happen, and as far back as they are kept"
      fill
      actions={<PauseButton paused={paused} setPaused={setPaused} />}
    >
      <FilterBar filters={filters} onChange={setFilters} />
      <Feed key={JSON.stringify(filters)} filters={filters} paused={paused} resume={() => setPaused(false)} />
    </Page>
  );
}

function PauseButton({ paused, setPaused }: { paused: boolean; setPaused: (paused: boolean) => void }) {
  const Icon = paused ? IconPlayerPlayFilled : IconPlayerPauseFilled;
  return (
    <Button
      variant="default"
      size="xs"
      leftSection={<Icon size={14} aria-hidden />}
      onClick={() => setPaused(!paused)}
    >
      {paused ? 'Resume' : 'Pause'}
    </Button>
  );
}

interface FeedProps {
  filters: EventFilters;
  paused: boolean;
  resume: () => void;
}

function Feed({ filters, paused, resume }: FeedProps) {
  const [atTop, setAtTop] = useState(true);
  const [open, setOpen] = useState<LogItem | null>(null);
  const list = useEventList(filters, paused || !atTop);
  const { history } = list;
  return (
    <>
      {history.error !== null && <Problem error={history.error} retry={history.refetch} />}
      <EventTable
        items={list.items}
        loading={history.isPending}
        filtered={Object.keys(filters).length > 0}
        waiting={list.full ? `${list.waiting}+` : String(list.waiting)}
        hasWaiting={list.waiting > 0}
        release={() => {
          list.release();
          resume();
        }}
        onTop={(top) => {
          setAtTop(top);
          if (top && !paused) list.release();
        }}
        more={{ has: history.hasNextPage, busy: history.isFetchingNextPage, load: history.fetchNextPage }}
        onOpen={setOpen}
      />
      <EventDrawer item={open} onClose={() => setOpen(null)} />
    </>
  );
}
