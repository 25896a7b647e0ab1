/**
 * Loads a WASM core once per page or process, in browsers and in Node.
 *
 * There are two with the same interface: `reader` shows values and is small, for visitors; `full` has
 * replicas too.
 */

import { isGiven } from './arguments.js'
import { isBoth } from './options.js'
import type { ClientOptions, WasmSource } from './types.js'

/** Which of the two. */
export type CoreName = 'reader' | 'full'

type Module = typeof import('./wasm/indelible.js')

/** The functions of a loaded core. */
export type Bindings = Pick<Module, 'Session' | '__wbg_reset_state' | 'version'>

const loading = new Map<CoreName, Promise<Bindings>>()

/**
 * Makes a core's functions callable; later calls wait for the first one.
 *
 * `source` replaces the module beside this file, for programs that serve it from elsewhere.
 */
export function loadCore(name: CoreName, source?: WasmSource): Promise<Bindings> {
  const known = loading.get(name)
  if (known !== undefined) return known
  const load = (name === 'reader' ? loadReader(source) : loadFull(source)).catch(
    (error: unknown) => {
      loading.delete(name)
      throw error
    },
  )
  loading.set(name, load)
  return load
}

// The URLs are written out, because bundlers recognise just this form. They are made only where they
// are needed: what some bundlers leave of `import.meta.url` is not a URL.

async function loadReader(source?: WasmSource): Promise<Bindings> {
  const bindings = await import('./wasm/values.js')
  const beside = source ?? (await readable(new URL('./wasm/values_bg.wasm', import.meta.url)))
  await bindings.default({ module_or_path: beside as ModuleSource })
  return bindings
}

async function loadFull(source?: WasmSource): Promise<Bindings> {
  const bindings = await import('./wasm/indelible.js')
  const beside = source ?? (await readable(new URL('./wasm/indelible_bg.wasm', import.meta.url)))
  await bindings.default({ module_or_path: beside as ModuleSource })
  return bindings
}

type ModuleSource = Exclude<Parameters<Module['default']>[0], undefined>

/**
 * Node's `fetch` does not read files; browsers do not need this. Node is asked for its module at run
 * time, since bundlers for browsers follow every `import` and have no module of that name.
 */
async function readable(url: URL): Promise<BufferSource | URL> {
  const { process } = globalThis as { process?: Partial<NodeJS.Process> }
  if (url.protocol !== 'file:' || process?.getBuiltinModule === undefined) return url
  const { readFile } = process.getBuiltinModule('node:fs/promises')
  return new Uint8Array(await readFile(url))
}

/** Visitors, who have no token, hardly ever edit: the reader core suffices until it does not. */
export function firstCore({ token, wasm }: ClientOptions): CoreName {
  const given = isGiven(wasm) && !isBoth(wasm)
  return given || (token !== undefined && token !== null) ? 'full' : 'reader'
}

export function coreSource(name: CoreName, { wasm }: ClientOptions): WasmSource | undefined {
  if (!isGiven(wasm)) return undefined
  if (!isBoth(wasm)) return wasm
  return name === 'reader' ? wasm.values : wasm.whole
}
