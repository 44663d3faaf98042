import { Skeleton, TextInput } from '@mantine/core';
import { IconDevices, IconSearch } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { deckiesQuery } from '../api/queries';
import { DeckyTable } from '../components/DeckyTable';
import { EmptyState } from '../components/EmptyState';
import { Page } from '../components/Page';
import { Problem } from '../components/Problem';

/** The fake machines: what they pretend to be, and whether they stand. */
export function DeckiesPage() {
  const { data, error, refetch } = useQuery(deckiesQuery);
  const [filter, setFilter] = useState('');
  const items = data?.items;
  return (
    <Page
      title="Deckies"
      subtitle={items === undefined ? 'The machines that are not' : summary(items)}
      actions={
        <TextInput
          type="search"
          aria-label="Filter deckies"
          placeholder="Filter by anything"
          leftSection={<IconSearch size={16} aria-hidden />}
          value={filter}
          onChange={(event) => setFilter(event.currentTarget.value)}
        />
      }
    >
      {error !== null && <Problem error={error} retry={refetch} />}
      {items === undefined && error === null && <Skeleton height={240} radius="lg" aria-label="Loading" />}
      {items?.length === 0 && (
        <EmptyState
          icon={<IconDevices aria-hidden />}
          title="No decky yet"
          command="kubectl apply -f examples/decky.yaml"
        >
          A decky is a machine that does not exist, with a real address and real services. Make the first one:
        </EmptyState>
      )}
      {items !== undefined && items.length > 0 && <DeckyTable items={items} filter={filter} />}
    </Page>
  );
}

function summary(items: readonly { ready: boolean }[]): string {
  if (items.length === 0) return 'None yet';
  const ready = items.filter((item) => item.ready).length;
  return `${ready} of ${items.length} ready`;
}
