import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// Builds the two demo pages into dist/, from where the server embeds them:
// dist/demo/admin.html, dist/demo/site.html and hashed files under dist/assets/.
export default defineConfig({
  plugins: [react()],
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    // The WASM module must stay a file of its own, so that it streams and caches.
    assetsInlineLimit: 0,
    rollupOptions: {
      input: { admin: 'demo/admin.html', site: 'demo/site.html' },
    },
  },
  server: {
    // The demo schemas and the npm package lie beside the console.
    fs: { allow: ['../..'] },
    // `npm run dev` beside a running `indelible serve --dev`.
    proxy: {
      '/sync': { target: 'ws://127.0.0.1:4000', ws: true },
      '/api': 'http://127.0.0.1:4000',
      '/dev': 'http://127.0.0.1:4000',
    },
  },
})
