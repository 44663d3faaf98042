import { Alert, Button } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';

interface Props {
  error: Error;
  retry?: () => void;
}

/** Says that something failed and offers to try again. */
export function Problem({ error, retry }: Props) {
  return (
    <Alert
      role="alert"
      color="red"
      title={error.message}
      icon={<IconAlertTriangle size={18} aria-hidden />}
      mb="md"
    >
      {retry !== undefined && (
        <Button variant="default" size="xs" mt={4} onClick={retry}>
          Try again
        </Button>
      )}
    </Alert>
  );
}
