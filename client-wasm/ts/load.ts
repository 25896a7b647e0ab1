// Loads the WASM core once per page or process, in browsers and in Node.

import type { WasmSource } from './types.js'
import initialise from './wasm/indelible.js'

let loading: Promise<void> | undefined

/**
 * Makes the core's functions callable; later calls wait for the first one.
 *
 * `source` replaces the module that lies beside this file, for those who serve it from elsewhere.
 */
export function loadCore(source?: WasmSource): Promise<void> {
  loading ??= load(source).catch((error: unknown) => {
    loading = undefined
    throw error
  })
  return loading
}

async function load(source?: WasmSource): Promise<void> {
  // Written out, because bundlers recognise just this form.
  const beside = new URL('./wasm/indelible_bg.wasm', import.meta.url)
  await initialise({ module_or_path: source ?? (await readFileUrl(beside)) })
}

/** Node's `fetch` does not read files; a browser's has no need of this. */
async function readFileUrl(url: URL): Promise<BufferSource | URL> {
  if (url.protocol !== 'file:' || typeof process === 'undefined') return url
  const { readFile } = await import('node:fs/promises')
  return new Uint8Array(await readFile(url))
}
