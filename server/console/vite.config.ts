import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

/** Below this, packing saves less than its header costs. */
const PACKED_BYTES_MIN = 256

/** Packs every file of a build beside itself, so that the server need not while somebody waits. */
function pack(): Plugin {
  let folder = ''
  return {
    name: 'pack',
    apply: (config, { command }) => command === 'build' && !config.build?.ssr,
    configResolved(config) {
      folder = config.build.outDir
    },
    closeBundle() {
      for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
        const file = join(entry.parentPath, entry.name)
        if (!entry.isFile() || /\.(br|gz)$/.test(file)) continue
        const data = readFileSync(file)
        if (data.length < PACKED_BYTES_MIN) continue
        for (const [end, packed] of [
          ['br', brotliCompressSync(data)],
          ['gz', gzipSync(data, { level: 9 })],
        ] as const) {
          if (packed.length < data.length) writeFileSync(`${file}.${end}`, packed)
        }
      }
    },
  }
}

// Builds the two demo pages into dist/, from where the server embeds them:
// dist/demo/admin.html, dist/demo/site.html and hashed files under dist/assets/.
export default defineConfig({
  plugins: [react(), pack()],
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
