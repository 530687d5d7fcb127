// Builds the web client, and serves it while one works on it with the API of a running server behind it.
import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

/** The server that a page under development talks to. */
const server = process.env.WAXWING_URL ?? 'http://127.0.0.1:5280';

/** What of the server a page under development needs. */
const proxy = {
  '/api': { target: server, ws: true, secure: false },
  '/files': { target: server, secure: false },
};

/** The policy that the server sends, so that what it forbids fails here as well. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "media-src 'self' blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
].join('; ');

export default defineConfig({
  plugins: [svelte()],
  resolve: {
    alias: { $lib: fileURLToPath(new URL('./src/lib', import.meta.url)) },
  },
  build: {
    outDir: process.env.WAXWING_WEB_OUT ?? 'dist',
    emptyOutDir: true,
    target: 'es2022',
    // Makes fallbacks for colours that these do not know.
    cssTarget: ['chrome105', 'safari15.4', 'firefox110'],
    // The Content-Security-Policy lets no data: script or style through, so nothing small is inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
  },
  server: {
    host: '127.0.0.1',
    port: Number(process.env.PORT ?? 5173),
    strictPort: true,
    proxy,
  },
  preview: {
    host: '127.0.0.1',
    port: Number(process.env.PORT ?? 5173),
    strictPort: true,
    headers: { 'Content-Security-Policy': policy },
    proxy,
  },
  test: {
    include: ['src/**/*.test.ts'],
    environment: 'node',
    // Ends what hangs; a machine with other work may take long.
    testTimeout: 60_000,
    // The test of the tokens reads their contrast from the file.
    css: { include: [/tokens\.css/] },
  },
});
