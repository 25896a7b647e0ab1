// Guards against WASM modules that do not start under Node.

import { statSync } from 'node:fs'
import { expect, test } from 'vitest'
import manifest from '../package.json' with { type: 'json' }
import { loadCore } from './load.js'

test.each(['values', 'whole'] as const)('the core "%s" is of the package’s version', async name => {
  const { version } = await loadCore(name)
  expect(version()).toBe(manifest.version)
})

test('the core for values holds no Automerge', () => {
  const [values, whole] = ['values', 'indelible'].map(
    name => statSync(new URL(`./wasm/${name}_bg.wasm`, import.meta.url)).size,
  ) as [number, number]
  expect(values).toBeLessThan(whole / 3)
})
