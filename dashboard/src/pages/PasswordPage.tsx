import { Alert, Button, PasswordInput } from '@mantine/core';
import { IconAlertTriangle, IconCircle, IconCircleCheckFilled } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { useRouter } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { ApiError, client, unwrap } from '../api/client';
import { setSession } from '../auth/session';
import { useSession } from '../auth/useSession';
import { Gate } from '../components/Gate';
import classes from '../components/Gate.module.css';
import { useCountdown } from '../components/useCountdown';
import { type Rule, rules } from '../lib/password';
import { wait } from '../lib/time';

const FORCED = 'The password that the installation made is for the first login only. Choose your own.';
const WANTED = 'All other sessions of yours end with it.';

/** A new password: forced after the first login, and whenever one is wanted. */
export function PasswordPage() {
  const session = useSession();
  const router = useRouter();
  const [old, setOld] = useState('');
  const [wanted, setWanted] = useState('');
  const [again, setAgain] = useState('');
  const [secondsLeft, startCountdown] = useCountdown();
  const username = session?.username ?? '';
  const change = useMutation({
    mutationFn: async () =>
      unwrap(
        await client.POST('/api/v1/auth/change-password', {
          body: { old_password: old, new_password: wanted },
        }),
      ),
    onSuccess: (answer) => {
      setSession({ token: answer.access_token, username, mustChangePassword: answer.must_change_password });
      void router.navigate({ to: '/' });
    },
    onError: (error) => {
      if (error instanceof ApiError && error.status === 429) startCountdown(error.retryAfter ?? 60);
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    change.mutate();
  };
  const forced = session?.mustChangePassword ?? false;
  const found = rules(wanted, old, username);
  const problems = problemsOf(change.error);
  const differs = again !== '' && again !== wanted;
  const ready = old !== '' && again === wanted && found.every((rule) => rule.met) && secondsLeft === 0;
  const forget = () => change.reset();
  return (
    <Gate title={forced ? 'Choose a new password' : 'Change the password'} lead={forced ? FORCED : WANTED}>
      <form className={classes['form']} onSubmit={submit}>
        {problems.general !== null && (
          <Alert
            color="red"
            role="alert"
            title={problems.general}
            icon={<IconAlertTriangle size={18} aria-hidden />}
          >
            {secondsLeft > 0 && `Try again in ${wait(secondsLeft)}.`}
          </Alert>
        )}
        <input type="hidden" name="username" autoComplete="username" value={username} />
        <Secret
          label="Old password"
          name="old"
          value={old}
          set={setOld}
          error={problems.old}
          onEdit={forget}
        />
        <Secret
          label="New password"
          name="new"
          value={wanted}
          set={setWanted}
          error={problems.wanted}
          onEdit={forget}
        />
        <Rules found={found} />
        <Secret
          label="New password again"
          name="again"
          value={again}
          set={setAgain}
          error={differs ? 'The two differ' : null}
        />
        <Button type="submit" fullWidth loading={change.isPending} disabled={!ready}>
          Change password
        </Button>
        <div className={classes['other']}>
          {!forced && (
            <Button variant="default" size="xs" onClick={() => router.navigate({ to: '/' })}>
              Back
            </Button>
          )}
          <Button variant="default" size="xs" onClick={() => setSession(null)}>
            Log out
          </Button>
        </div>
      </form>
    </Gate>
  );
}

interface SecretProps {
  label: string;
  name: 'old' | 'new' | 'again';
  value: string;
  set: (value: string) => void;
  error: string | null;
  /** Called at each change, to take back an error that no longer fits. */
  onEdit?: () => void;
}

function Secret({ label, name, value, set, error, onEdit }: SecretProps) {
  return (
    <PasswordInput
      label={label}
      name={name}
      autoComplete={name === 'old' ? 'current-password' : 'new-password'}
      value={value}
      error={error}
      onChange={(event) => {
        set(event.currentTarget.value);
        onEdit?.();
      }}
      visibilityToggleButtonProps={{ 'aria-label': `Show: ${label}` }}
    />
  );
}

function Rules({ found }: { found: Rule[] }) {
  return (
    <ul className={classes['rules']} aria-label="Rules for the new password">
      {found.map((rule) => (
        <li key={rule.text} data-met={rule.met}>
          {rule.met ? (
            <IconCircleCheckFilled size={15} aria-label="Met:" />
          ) : (
            <IconCircle size={15} aria-label="Not met yet:" />
          )}
          {rule.text}
        </li>
      ))}
    </ul>
  );
}

interface Problems {
  general: string | null;
  old: string | null;
  wanted: string | null;
}

/** The server's words, at the field that they are about. */
function problemsOf(error: Error | null): Problems {
  if (!(error instanceof ApiError)) return { general: error?.message ?? null, old: null, wanted: null };
  const old = error.fields['old_password']?.join('. ') ?? null;
  const wanted = error.fields['new_password']?.join('. ') ?? null;
  return { general: old === null && wanted === null ? error.message : null, old, wanted };
}
