import { IconAlertTriangle, IconCircleCheckFilled } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { healthQuery } from '../api/queries';
import classes from './Health.module.css';
import { Panel } from './Panel';

/** Which parts of the product are well. */
export function Health({ className }: { className?: string | undefined }) {
  const { data, error } = useQuery(healthQuery);
  const components = Object.entries(data?.components ?? {});
  const note = data === undefined ? undefined : data.status === 'ok' ? 'all is well' : 'degraded';
  return (
    <Panel title="Health" className={className} {...(note === undefined ? {} : { note })}>
      {components.length === 0 && (
        <p className={classes['none']}>
          {error?.message ?? (data ? 'The database does not answer.' : 'Loading …')}
        </p>
      )}
      <ul className={classes['list']}>
        {components.map(([name, component]) => (
          <li key={name} className={classes['part']} data-ok={component.ok}>
            {component.ok ? (
              <IconCircleCheckFilled size={18} aria-label="well" />
            ) : (
              <IconAlertTriangle size={18} aria-label="not well" />
            )}
            <span>
              <strong>{name}</strong>
              <span className={classes['text']}>{component.message}</span>
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
