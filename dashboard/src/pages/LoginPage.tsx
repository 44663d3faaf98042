import { Alert, Button, PasswordInput, TextInput } from '@mantine/core';
import { IconAlertTriangle, IconClockPause } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { ApiError, client, unwrap } from '../api/client';
import { setSession } from '../auth/session';
import { Gate } from '../components/Gate';
import classes from '../components/Gate.module.css';
import { useCountdown } from '../components/useCountdown';
import { wait } from '../lib/time';

/** Name and password for a token. The router leaves this page as soon as there is a session. */
export function LoginPage() {
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const [secondsLeft, startCountdown] = useCountdown();
  const login = useMutation({
    mutationFn: async () => unwrap(await client.POST('/api/v1/auth/login', { body: { username, password } })),
    onSuccess: (answer) =>
      setSession({ token: answer.access_token, username, mustChangePassword: answer.must_change_password }),
    onError: (error) => {
      setPassword('');
      if (error instanceof ApiError && error.status === 429) startCountdown(error.retryAfter ?? 60);
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    login.mutate();
  };
  const locked = secondsLeft > 0;
  return (
    <Gate title="Log in" lead="See who touches your deckies, as it happens.">
      <form className={classes['form']} onSubmit={submit}>
        {locked && (
          <Alert
            color="yellow"
            role="alert"
            title="Too many failed logins"
            icon={<IconClockPause size={18} aria-hidden />}
          >
            Try again in {wait(secondsLeft)}.
          </Alert>
        )}
        {!locked && login.error !== null && !isLockout(login.error) && (
          <Alert
            color="red"
            role="alert"
            title={login.error.message}
            icon={<IconAlertTriangle size={18} aria-hidden />}
          />
        )}
        <TextInput
          label="User name"
          name="username"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          data-autofocus
          value={username}
          onChange={(event) => setUsername(event.currentTarget.value)}
        />
        <PasswordInput
          label="Password"
          name="password"
          autoComplete="current-password"
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          visibilityToggleButtonProps={{ 'aria-label': 'Show the password' }}
        />
        <Button
          type="submit"
          fullWidth
          loading={login.isPending}
          disabled={locked || username === '' || password === ''}
        >
          Log in
        </Button>
      </form>
    </Gate>
  );
}

function isLockout(error: Error): boolean {
  return error instanceof ApiError && error.status === 429;
}
