import { IconArrowDown, IconArrowsSort, IconArrowUp } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import {
  columnFilteringFeature,
  createColumnHelper,
  createFilteredRowModel,
  createSortedRowModel,
  filterFn_includesString,
  globalFilteringFeature,
  rowSortingFeature,
  type SortFn,
  sortFn_alphanumeric,
  tableFeatures,
  useTable,
} from '@tanstack/react-table';
import type { Decky } from '../api/client';
import { addressKey } from '../lib/address';
import { number } from '../lib/number';
import { age } from '../lib/time';
import classes from './DeckyTable.module.css';
import { Visible } from './Visible';

const features = tableFeatures({
  columnFilteringFeature,
  globalFilteringFeature,
  rowSortingFeature,
  filteredRowModel: createFilteredRowModel(),
  sortedRowModel: createSortedRowModel(),
  filterFns: { includesString: filterFn_includesString },
  sortFns: { alphanumeric: sortFn_alphanumeric },
});

const byAddress: SortFn<typeof features, Decky> = (a, b) =>
  addressKey(a.original.ip).localeCompare(addressKey(b.original.ip));

const helper = createColumnHelper<typeof features, Decky>();
const columns = helper.columns([
  helper.accessor('name', {
    header: 'Name',
    cell: ({ row }) => (
      <Link to="/events" search={{ decky: row.original.name }} className={classes['name'] ?? ''}>
        {row.original.name}
      </Link>
    ),
  }),
  helper.accessor(
    (decky) => (decky.ready ? 'ready' : `not ready ${decky.reason ?? ''} ${decky.message ?? ''}`),
    {
      id: 'ready',
      header: 'Ready',
      cell: ({ row }) => <Ready decky={row.original} />,
    },
  ),
  helper.accessor((decky) => decky.ip ?? '', {
    id: 'ip',
    header: 'IP',
    sortFn: byAddress,
    cell: (cell) => <span className={classes['mono']}>{cell.getValue() || '–'}</span>,
  }),
  helper.accessor((decky) => decky.mac ?? '', {
    id: 'mac',
    header: 'MAC',
    cell: (cell) => <span className={classes['mono']}>{cell.getValue() || '–'}</span>,
  }),
  helper.accessor((decky) => [decky.os, decky.distro].filter(Boolean).join(' / '), {
    id: 'os',
    header: 'OS',
    cell: (cell) => <span className={classes['plain']}>{cell.getValue() || '–'}</span>,
  }),
  helper.accessor((decky) => decky.services.map((service) => service.name).join(' '), {
    id: 'services',
    header: 'Services',
    cell: ({ row }) => <Services decky={row.original} />,
  }),
  helper.accessor((decky) => decky.node ?? '', {
    id: 'host',
    header: 'Host',
    cell: (cell) => <span className={classes['plain']}>{cell.getValue() || '–'}</span>,
  }),
  helper.accessor((decky) => decky.events, {
    id: 'events',
    header: 'Events',
    sortFn: (a, b) => a.original.events - b.original.events,
    cell: (cell) => <span className={classes['number']}>{number(cell.getValue())}</span>,
  }),
  helper.accessor((decky) => decky.created_at ?? '', {
    id: 'age',
    header: 'Age',
    sortFn: (a, b) => (b.original.created_at ?? '').localeCompare(a.original.created_at ?? ''),
    cell: (cell) =>
      cell.getValue() === '' ? '–' : <span title={cell.getValue()}>{age(cell.getValue(), new Date())}</span>,
  }),
]);

const NOT_FILTERED = new Set(['age', 'events']);
const SORTING = { asc: 'ascending', desc: 'descending' } as const;

/** Deckies, to sort and to filter. */
export function DeckyTable({ items, filter }: { items: readonly Decky[]; filter: string }) {
  const table = useTable({
    features,
    columns,
    data: items,
    state: { globalFilter: filter },
    initialState: { sorting: [{ id: 'name', desc: false }] },
    enableSortingRemoval: false,
    globalFilterFn: 'includesString',
    getColumnCanGlobalFilter: (column) => !NOT_FILTERED.has(column.id),
    getRowId: (decky) => `${decky.namespace}/${decky.name}`,
  });
  const rows = table.getRowModel().rows;
  return (
    <section className={classes['frame']} aria-label="Deckies">
      <table className={classes['table']}>
        <thead>
          {table.getHeaderGroups().map((group) => (
            <tr key={group.id}>
              {group.headers.map((header) => {
                const sorted = header.column.getIsSorted();
                return (
                  <th key={header.id} scope="col" aria-sort={sorted === false ? 'none' : SORTING[sorted]}>
                    <button type="button" onClick={header.column.getToggleSortingHandler()}>
                      <table.FlexRender header={header} />
                      <SortIcon sorted={sorted} />
                    </button>
                  </th>
                );
              })}
            </tr>
          ))}
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.id} data-testid={`decky-${row.original.name}`}>
              {row.getAllCells().map((cell) => (
                <td key={cell.id}>
                  <table.FlexRender cell={cell} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length === 0 && <p className={classes['none']}>No decky fits the filter.</p>}
    </section>
  );
}

function SortIcon({ sorted }: { sorted: 'asc' | 'desc' | false }) {
  const Icon = sorted === 'asc' ? IconArrowUp : sorted === 'desc' ? IconArrowDown : IconArrowsSort;
  return <Icon size={13} aria-hidden />;
}

function Ready({ decky }: { decky: Decky }) {
  return (
    <div className={classes['ready']} data-ready={decky.ready}>
      <span className={classes['state']}>
        <span className={classes['dot']} aria-hidden="true" />
        {decky.ready ? 'Ready' : (decky.reason ?? 'Not ready')}
      </span>
      {!decky.ready && decky.message !== null && <Visible text={decky.message} />}
    </div>
  );
}

function Services({ decky }: { decky: Decky }) {
  return (
    <span className={classes['services']}>
      {decky.services.map((service) => (
        <span
          key={service.name}
          className={classes['service']}
          data-down={service.ready === false || undefined}
        >
          {service.name}
          <span>{service.ports.map((port) => port.replace('/TCP', '')).join(', ')}</span>
        </span>
      ))}
    </span>
  );
}
