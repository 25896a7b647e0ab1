// Guards against a WASM module that does not start under Node.

import { expect, test } from 'vitest'
import manifest from '../package.json' with { type: 'json' }
import { loadCore } from './load.js'
import { version } from './wasm/indelible.js'

test('the core starts and is of the same version as the package', async () => {
  await loadCore()
  expect(version()).toBe(manifest.version)
})
