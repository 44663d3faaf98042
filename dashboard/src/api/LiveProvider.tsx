import { useQueryClient } from '@tanstack/react-query';
import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
} from 'react';
import type { LogItem } from './client';
import { follow, type StreamState } from './stream';

type OnEvents = (events: LogItem[]) => void;

interface Live {
  readonly state: StreamState;
  /** Calls back with each batch of events until the returned function is called. */
  readonly subscribe: (onEvents: OnEvents) => () => void;
}

const LiveContext = createContext<Live | null>(null);

/** Events are handed on in batches this far apart, so that a flood does not render a page per event. */
const BATCH_MS = 150;
/** Statistics follow the stream, but no more often than this. */
const STATS_MS = 2_000;

/** Keeps the one live stream of the page while somebody with `token` is logged in. */
export function LiveProvider({ token, children }: { token: string; children: ReactNode }) {
  const queries = useQueryClient();
  const [state, setState] = useState<StreamState>('connecting');
  const subscribers = useRef(new Set<OnEvents>());

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new token needs a new stream
  useEffect(() => {
    const stop = new AbortController();
    const batch = new Batch((items) => {
      for (const onEvents of subscribers.current) onEvents(items);
    });
    const stats = new Throttle(() => queries.invalidateQueries({ queryKey: ['stats'] }));
    void follow(
      {
        onState: setState,
        onEvents: (items) => {
          batch.add(items);
          stats.call();
        },
        onFreshStart: () => void queries.invalidateQueries({ queryKey: ['logs'] }),
      },
      stop.signal,
    );
    return () => {
      stop.abort();
      batch.stop();
      stats.stop();
    };
  }, [token, queries]);

  const subscribe = useCallback((onEvents: OnEvents) => {
    subscribers.current.add(onEvents);
    return () => void subscribers.current.delete(onEvents);
  }, []);
  const live = useMemo(() => ({ state, subscribe }), [state, subscribe]);
  return <LiveContext value={live}>{children}</LiveContext>;
}

/** The live stream. */
export function useLive(): Live {
  const live = useContext(LiveContext);
  if (live === null) throw new Error('useLive outside of LiveProvider');
  return live;
}

class Batch {
  private items: LogItem[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly deliver: OnEvents) {}

  add(items: LogItem[]): void {
    this.items.push(...items);
    this.timer ??= setTimeout(() => {
      const ready = this.items;
      this.items = [];
      this.timer = undefined;
      this.deliver(ready);
    }, BATCH_MS);
  }

  stop(): void {
    clearTimeout(this.timer);
  }
}

class Throttle {
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly action: () => unknown) {}

  call(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.action();
    }, STATS_MS);
  }

  stop(): void {
    clearTimeout(this.timer);
  }
}
