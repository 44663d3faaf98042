import { Button } from '@mantine/core';
import { IconCheck, IconCopy, IconX } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import { copyText } from '../lib/clipboard';

const SHOWN_MS = 1500;
const ICONS = { idle: IconCopy, done: IconCheck, failed: IconX } as const;

interface Props {
  label: string;
  /** What is copied; called on the click. */
  text: () => string;
}

/** Copies a text and says whether it worked. */
export function CopyButton({ label, text }: Props) {
  const [state, setState] = useState<keyof typeof ICONS>('idle');
  useEffect(() => {
    if (state === 'idle') return;
    const timer = setTimeout(() => setState('idle'), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [state]);
  const Icon = ICONS[state];
  const copy = async () => setState((await copyText(text())) ? 'done' : 'failed');
  return (
    <Button variant="default" size="xs" leftSection={<Icon size={14} aria-hidden />} onClick={copy}>
      <span aria-live="polite">
        {state === 'idle' ? label : state === 'done' ? 'Copied' : 'Could not copy'}
      </span>
    </Button>
  );
}
