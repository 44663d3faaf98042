import { createTheme, DrawerRoot, InputWrapper } from '@mantine/core';

/** What components read in script; colours, fonts and radii are in styles/tokens.css. */
export const theme = createTheme({
  primaryColor: 'teal',
  defaultRadius: 'md',
  cursorType: 'pointer',
  respectReducedMotion: true,
  components: {
    InputWrapper: InputWrapper.extend({ styles: { label: { marginBottom: 5 }, error: { marginTop: 5 } } }),
    // Locking the page's scroll adds a <style> element, which the content security policy refuses.
    DrawerRoot: DrawerRoot.extend({ defaultProps: { lockScroll: false } }),
  },
});
