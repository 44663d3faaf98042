import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

/** Where `npm run dev` finds the API; `make up` puts it there. */
const api = process.env['DECNET_URL'] ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [react()],
  server: { port: 5173, strictPort: true, proxy: { '/api': { target: api, changeOrigin: true } } },
  build: {
    target: 'es2023',
    // Nothing is inlined as data: or as a script, so that `default-src 'self'` is all the page needs.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        // What changes with a library is cached apart from what changes with us.
        codeSplitting: { groups: [{ name: 'libraries', test: /node_modules/ }] },
      },
    },
    chunkSizeWarningLimit: 620,
  },
  test: { environment: 'node', include: ['tests/**/*.test.ts'] },
});
