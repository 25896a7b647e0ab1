// Guards against WASM modules that do not start under Node, and sources of them that are not taken.

import { statSync } from 'node:fs'
import { expect, test } from 'vitest'
import manifest from '../package.json' with { type: 'json' }
import { loadCore } from './load.js'
import { readOptions } from './options.js'
import type { WasmSource } from './types.js'

test.each(['reader', 'full'] as const)('the core "%s" is of the package’s version', async name => {
  const { version } = await loadCore(name)
  expect(version()).toBe(manifest.version)
})

test('the reader core holds no Automerge', () => {
  const [values, whole] = ['values', 'indelible'].map(
    name => statSync(new URL(`./wasm/${name}_bg.wasm`, import.meta.url)).size,
  ) as [number, number]
  expect(values).toBeLessThan(whole / 3)
})

test('the sources of a module that are documented are taken, alone and for each', () => {
  const sources: readonly WasmSource[] = [
    '/assets/whole.wasm',
    new URL('https://example.org/whole.wasm'),
    new Response(),
    Promise.resolve(new Response()),
    new ArrayBuffer(8),
    new Uint8Array(8),
    new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)),
  ]
  for (const source of sources) {
    for (const wasm of [source, { whole: source, values: source }, { values: source }]) {
      expect(readOptions({ wasm }).fault, String(source)).toBeNull()
    }
  }
  expect(readOptions({ wasm: { whole: null, values: undefined } }).fault).toBeNull()
})
