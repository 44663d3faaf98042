import { Autocomplete, Button, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconSearch, IconX } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { statsQuery } from '../api/queries';
import { type EventFilters, FILTER_NAMES, type FilterName, readFilters } from '../lib/filters';
import classes from './FilterBar.module.css';

const TYPING_MS = 350;

interface Props {
  filters: EventFilters;
  onChange: (filters: EventFilters) => void;
}

/** The search box and the filters. They apply a moment after the typing stops. */
export function FilterBar({ filters, onChange }: Props) {
  const { data } = useQuery(statsQuery);
  const [typed, setTyped] = useState(() => withAll(filters));
  const [applied, setApplied] = useState(filters);
  const apply = useDebouncedCallback((wanted: Record<FilterName, string>) => {
    const next = readFilters(wanted);
    setApplied(next);
    onChange(next);
  }, TYPING_MS);
  // The URL may change without us: a link, the back button.
  if (!same(filters, applied)) {
    setApplied(filters);
    setTyped(withAll(filters));
  }
  const set = (name: FilterName) => (value: string) => {
    const next = { ...typed, [name]: value };
    setTyped(next);
    apply(next);
  };
  const clear = () => {
    apply.cancel();
    setTyped(withAll({}));
    setApplied({});
    onChange({});
  };
  const names = (counts: readonly { name: string }[] | undefined) =>
    (counts ?? []).map((count) => count.name);
  return (
    <search className={classes['bar']}>
      <TextInput
        className={classes['search'] ?? ''}
        aria-label="Search"
        placeholder="Search in everything: a password, a command, a path …"
        leftSection={<IconSearch size={16} aria-hidden />}
        value={typed.search}
        onChange={(event) => set('search')(event.currentTarget.value)}
      />
      <Choice label="Decky" value={typed.decky} data={names(data?.by_decky)} onChange={set('decky')} />
      <Choice
        label="Service"
        value={typed.service}
        data={names(data?.by_service)}
        onChange={set('service')}
      />
      <Choice
        label="Event"
        value={typed.event_id}
        data={names(data?.by_event).filter((name) => name !== 'other')}
        onChange={set('event_id')}
      />
      <Choice label="Source" value={typed.src_ip} data={names(data?.top_sources)} onChange={set('src_ip')} />
      <Button
        variant="default"
        leftSection={<IconX size={15} aria-hidden />}
        disabled={FILTER_NAMES.every((name) => typed[name] === '')}
        onClick={clear}
      >
        Clear
      </Button>
    </search>
  );
}

interface ChoiceProps {
  label: string;
  value: string;
  data: string[];
  onChange: (value: string) => void;
}

function Choice({ label, value, data, onChange }: ChoiceProps) {
  return (
    <Autocomplete
      className={classes['choice'] ?? ''}
      aria-label={label}
      placeholder={label}
      value={value}
      data={data}
      onChange={onChange}
      limit={20}
    />
  );
}

function withAll(filters: EventFilters): Record<FilterName, string> {
  return { search: '', decky: '', service: '', event_id: '', src_ip: '', ...filters };
}

function same(one: EventFilters, other: EventFilters): boolean {
  return FILTER_NAMES.every((name) => one[name] === other[name]);
}
