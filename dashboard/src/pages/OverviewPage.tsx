import { Skeleton } from '@mantine/core';
import { IconActivity, IconDevices, IconKey, IconUserSearch } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import type { Stats } from '../api/client';
import { statsQuery } from '../api/queries';
import { BarList } from '../components/BarList';
import { EmptyState } from '../components/EmptyState';
import { Health } from '../components/Health';
import { Histogram } from '../components/Histogram';
import { Page } from '../components/Page';
import { Panel } from '../components/Panel';
import { Problem } from '../components/Problem';
import { tone } from '../lib/describe';
import { number } from '../lib/number';
import { clock } from '../lib/time';
import classes from './OverviewPage.module.css';

const FIRST_DECKY = 'kubectl apply -f examples/decky.yaml';

/** How much happened, from whom, and where. */
export function OverviewPage() {
  const { data, error, refetch } = useQuery(statsQuery);
  return (
    <Page title="Overview" subtitle="What touched the deckies">
      {error !== null && <Problem error={error} retry={refetch} />}
      {data === undefined ? (
        error === null && <Skeleton height={420} radius="lg" aria-label="Loading" />
      ) : (
        <div className={classes['grid']}>
          <Cards stats={data} />
          {data.deckies === 0 && (
            <Panel title="Getting started" className={classes['wide']}>
              <EmptyState icon={<IconDevices aria-hidden />} title="No decky yet" command={FIRST_DECKY}>
                Put the first one on your network; whatever touches it shows up here within seconds.
              </EmptyState>
            </Panel>
          )}
          <Panel title="Events by hour" note="last 24 hours, UTC" className={classes['wide']}>
            <Histogram hours={data.last_24_hours} />
          </Panel>
          <Panel title="Top sources">
            <BarList counts={data.top_sources} filter="src_ip" />
          </Panel>
          <Panel title="Kinds of event">
            <BarList counts={data.by_event} filter="event_id" rest="other" toneOf={tone} />
          </Panel>
          <Panel title="Services">
            <BarList counts={data.by_service} filter="service" />
          </Panel>
          <Panel title="Deckies">
            <BarList counts={data.by_decky} filter="decky" />
          </Panel>
          <Health className={classes['wide']} />
        </div>
      )}
    </Page>
  );
}

function Cards({ stats }: { stats: Stats }) {
  const last =
    stats.last_event_at === null ? 'none yet' : `last at ${clock(stats.last_event_at, new Date())}`;
  return (
    <dl className={classes['cards']}>
      <Card
        name="Events"
        icon={<IconActivity aria-hidden />}
        tone="teal"
        value={number(stats.events)}
        note={last}
      />
      <Card
        name="Credentials"
        icon={<IconKey aria-hidden />}
        tone="amber"
        value={number(stats.credentials)}
        note="names and secrets tried"
      />
      <Card
        name="Sources"
        icon={<IconUserSearch aria-hidden />}
        tone="red"
        value={number(stats.sources)}
        note="different addresses"
      />
      <Card
        name="Deckies ready"
        icon={<IconDevices aria-hidden />}
        tone="blue"
        value={`${number(stats.deckies_ready)} / ${number(stats.deckies)}`}
        note={readyNote(stats)}
      />
    </dl>
  );
}

function readyNote(stats: Stats): string {
  if (stats.deckies === 0) return 'none yet';
  return stats.deckies_ready === stats.deckies ? 'all of them' : 'see Deckies for the reason';
}

interface CardProps {
  name: string;
  icon: ReactNode;
  tone: string;
  value: string;
  note: string;
}

function Card({ name, icon, tone, value, note }: CardProps) {
  return (
    <div className={classes['card']} data-tone={tone}>
      <dt>
        {name}
        <span className={classes['icon']}>{icon}</span>
      </dt>
      <dd className={classes['value']}>{value}</dd>
      <dd className={classes['note']}>{note}</dd>
    </div>
  );
}
