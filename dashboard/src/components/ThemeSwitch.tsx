import { SegmentedControl, useMantineColorScheme, VisuallyHidden } from '@mantine/core';
import { IconDeviceDesktop, IconMoon, IconSun } from '@tabler/icons-react';

const CHOICES = [
  { value: 'light', name: 'Light theme', Icon: IconSun },
  { value: 'auto', name: "The system's theme", Icon: IconDeviceDesktop },
  { value: 'dark', name: 'Dark theme', Icon: IconMoon },
] as const;

/** Light, dark, or what the system says. */
export function ThemeSwitch() {
  const { colorScheme, setColorScheme } = useMantineColorScheme({
    keepTransitions: true, // else Mantine inserts a style element, which the policy forbids
  });
  return (
    <SegmentedControl
      size="xs"
      aria-label="Theme"
      value={colorScheme}
      onChange={(value) => setColorScheme(value as (typeof CHOICES)[number]['value'])}
      data={CHOICES.map(({ value, name, Icon }) => ({
        value,
        label: (
          <>
            <Icon size={16} aria-hidden style={{ display: 'block', margin: '1px auto' }} />
            <VisuallyHidden>{name}</VisuallyHidden>
          </>
        ),
      }))}
    />
  );
}
