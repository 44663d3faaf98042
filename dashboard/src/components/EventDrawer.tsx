import { Drawer } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { LogItem } from '../api/client';
import { describe, severity } from '../lib/describe';
import { pretty } from '../lib/pretty';
import { visible, visibleJson } from '../lib/visible';
import { CopyButton } from './CopyButton';
import { EventBadge } from './EventBadge';
import classes from './EventDrawer.module.css';
import { Visible } from './Visible';

interface Props {
  item: LogItem | null;
  onClose: () => void;
}

/** Everything that is known of one event. */
export function EventDrawer({ item, onClose }: Props) {
  return (
    <Drawer.Root
      opened={item !== null}
      onClose={onClose}
      position="right"
      size="min(640px, 100vw)"
      classNames={{ content: classes['content'] ?? '' }}
    >
      <Drawer.Overlay color="#05080c" backgroundOpacity={0.5} />
      <Drawer.Content>
        {/* Drawer.Header would be a second banner landmark of the page. */}
        <div className={classes['head']}>
          <Drawer.Title className={classes['title'] ?? ''}>
            {item === null ? '' : `Event ${item.id}`}
          </Drawer.Title>
          <Drawer.CloseButton aria-label="Close" />
        </div>
        <Drawer.Body>{item !== null && <Details item={item} onClose={onClose} />}</Drawer.Body>
      </Drawer.Content>
    </Drawer.Root>
  );
}

function Details({ item, onClose }: { item: LogItem; onClose: () => void }) {
  const line = item.raw ?? item.message;
  return (
    <div className={classes['details']}>
      <div>
        <EventBadge eventId={item.event_id} />
        <p className={classes['what']}>
          <Visible text={describe(item)} />
        </p>
      </div>
      <Facts title="Certain" note="from the sender's certificate and the file's path">
        <Fact name="decky">
          <Link to="/events" search={{ decky: item.decky }} onClick={onClose}>
            {item.decky}
          </Link>
        </Fact>
        <Fact name="service">{item.service}</Fact>
        <Fact name="namespace">{item.namespace}</Fact>
        <Fact name="node">{item.node}</Fact>
        <Fact name="received">{utc(item.received_at)}</Fact>
        <Fact name="acknowledged">{item.acknowledged ? 'yes' : 'no: the sender could not be told'}</Fact>
      </Facts>
      <Facts title="Reported" note="what the line says">
        <Fact name="occurred">{utc(item.occurred_at)}</Fact>
        <Fact name="source">
          {item.src_ip === null ? (
            'none'
          ) : (
            <>
              <Link to="/events" search={{ src_ip: item.src_ip }} onClick={onClose}>
                {item.src_ip}
              </Link>
              {item.src_port !== null && ` port ${item.src_port}`}
            </>
          )}
        </Fact>
        <Fact name="hostname">
          <Visible text={item.hostname} />
        </Fact>
        <Fact name="severity">{severity(item.severity)}</Fact>
        {Object.entries(item.fields)
          .filter(([name]) => name !== 'src_ip' && name !== 'src_port')
          .map(([name, value]) => (
            <Fact key={name} name={name}>
              <Value text={value} />
            </Fact>
          ))}
      </Facts>
      {line !== '' && (
        <section>
          <h3 className={classes['heading']}>{item.raw === null ? 'Free text' : 'Raw line'}</h3>
          <pre className={classes['line']} data-testid="raw-line">
            <Visible text={line} />
          </pre>
        </section>
      )}
      <div className={classes['actions']}>
        <CopyButton label="Copy as JSON" text={() => visibleJson(item)} />
        {line !== '' && <CopyButton label="Copy the line" text={() => visible(line)} />}
      </div>
    </div>
  );
}

function utc(iso: string): string {
  return iso.replace('T', ' ').replace(/Z|\+00:00$/, ' UTC');
}

/** A value of the event; JSON in it is laid out line by line. */
function Value({ text }: { text: string }) {
  const lines = pretty(text);
  if (lines === null) return <Visible text={text} />;
  return (
    <span className={classes['json']}>
      {lines.map((line, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines of one text never change places
        <span key={at}>
          <Visible text={line} />
        </span>
      ))}
    </span>
  );
}

function Facts({ title, note, children }: { title: string; note: string; children: ReactNode }) {
  return (
    <section>
      <h3 className={classes['heading']}>
        {title} <span>{note}</span>
      </h3>
      <dl className={classes['facts']}>{children}</dl>
    </section>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className={classes['fact']}>
      <dt>
        <Visible text={name} />
      </dt>
      <dd>{children}</dd>
    </div>
  );
}
