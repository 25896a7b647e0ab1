/**
 * The options of a client.
 *
 * Each is read once, and reading them never throws: the fault names the option and says what it must
 * be. What the connection checks itself is left to it.
 */

import { because, isGiven, kindOf, readProperties, unknownIn } from './arguments.js'
import { IndelibleError } from './errors.js'
import type { ClientOptions, WasmSource, WasmSources } from './types.js'

/** Timers with a longer delay run at once. */
const TIME_MAX_MS = 2 ** 31 - 1

/** The default of `delayMax`. */
export const DELAY_MAX_MS = 30_000

/** A server does not read a longer greeting. */
const NAME_CHARS_MAX = 200

const NAMES: readonly (keyof ClientOptions)[] = [
  'url',
  'token',
  'store',
  'WebSocket',
  'wasm',
  'preventUnsavedChanges',
  'name',
  'reconnect',
  'silence',
]
const TIMES = {
  reconnect: ['delayMin', 'delayMax'],
  silence: ['probeAfter', 'answerWithin'],
} as const

/** Options as they were read; empty where there is a fault. */
export interface ReadOptions {
  readonly options: ClientOptions
  readonly fault: IndelibleError | null
}

/** The options that were given, whatever their types. */
type Read = { -readonly [Name in keyof ClientOptions]?: unknown }

/** Reads what a program gave as the options of a client. */
export function readOptions(given: unknown): ReadOptions {
  const read: Read = {}
  try {
    if (isGiven(given)) readInto(read, given)
    return { options: read as ClientOptions, fault: null }
  } catch (error) {
    const said = error instanceof IndelibleError
    const message = `the options of a client could not be read${because(error)}`
    return { options: {} as ClientOptions, fault: said ? error : wrong(message, error) }
  } finally {
    holdFailures(read.wasm)
  }
}

function readInto(read: Read, given: unknown): void {
  if (typeof given !== 'object' || given === null) {
    const form = "an object, such as { url: 'wss://example.org/sync' }"
    throw wrong(`the options of a client must be ${form}, not ${kindOf(given)}`)
  }
  const { wasm: source, ...others } = readProperties(
    given,
    NAMES,
    name => `the option ${name}`,
    wrong,
  )
  if (isGiven(source)) read.wasm = isBoth(source) ? readSources(source) : source
  Object.assign(read, others)
  assertKnown('a client', given, NAMES)
  for (const option of ['reconnect', 'silence'] as const) {
    if (isGiven(read[option])) read[option] = readTimes(option, read[option], TIMES[option])
  }
  const { store, name, wasm, preventUnsavedChanges: asks } = read
  if (isGiven(store) && store !== 'memory') throw wrong("the option store must be 'memory'")
  if (isGiven(asks) && typeof asks !== 'boolean') {
    throw wrong(`the option preventUnsavedChanges must be a boolean, not ${kindOf(asks)}`)
  }
  if (isGiven(name) && typeof name !== 'string') {
    throw wrong(`the option name must be a string, not ${kindOf(name)}`)
  }
  if (typeof name === 'string' && name.length > NAME_CHARS_MAX) {
    const form = `at most ${NAME_CHARS_MAX} characters`
    throw wrong(`the option name must have ${form}, not ${name.length}`)
  }
  if (isGiven(wasm)) assertWasm(wasm)
}

function wrong(message: string, cause?: unknown): IndelibleError {
  return new IndelibleError('option', message, { cause })
}

function assertKnown(of: string, given: object, names: readonly string[]): void {
  const unknown = unknownIn(given, of, 'option', names)
  if (unknown !== null) throw wrong(unknown)
}

/** An option that holds times. */
function readTimes(option: string, given: unknown, names: readonly string[]): object {
  const what = `the option ${option}`
  if (typeof given !== 'object' || given === null) {
    throw wrong(`${what} must be an object, not ${kindOf(given)}`)
  }
  assertKnown(what, given, names)
  const read = readProperties(given, names, name => `${name} of ${what}`, wrong)
  for (const [name, time] of Object.entries(read)) {
    // A timer takes anything else as zero, and the client would try again without a pause.
    if (!isGiven(time) || isTime(time)) continue
    throw wrong(
      typeof time === 'number' && Number.isFinite(time)
        ? `${name} of ${what} must be from 1 to ${TIME_MAX_MS} milliseconds, not ${time}`
        : `${name} of ${what} must be milliseconds, not ${typeof time === 'number' ? time : kindOf(time)}`,
    )
  }
  const { delayMin, delayMax } = read as { readonly [name: string]: number | null | undefined }
  const most = delayMax ?? DELAY_MAX_MS
  if (isGiven(delayMin) && delayMin > most) {
    throw wrong(`delayMin of ${what} is ${delayMin}: that is more than delayMax, ${most}`)
  }
  return read
}

function isTime(given: unknown): boolean {
  return typeof given === 'number' && given >= 1 && given <= TIME_MAX_MS
}

/** The option `wasm` that names both modules. */
function readSources(given: Partial<WasmSources>): object {
  const names = ['whole', 'values']
  assertKnown('the option wasm', given, names)
  const { whole, values } = readProperties(
    given,
    names,
    name => `${name} of the option wasm`,
    wrong,
  )
  return { whole, values }
}

function assertWasm(given: unknown): void {
  if (isSource(given)) return
  if (!isBoth(given)) {
    throw wrong(`the option wasm must be ${SOURCES}, or { whole, values }, not ${kindOf(given)}`)
  }
  for (const [name, source] of Object.entries(given)) {
    if (isGiven(source) && !isSource(source)) {
      throw wrong(`${name} of the option wasm must be ${SOURCES}, not ${kindOf(source)}`)
    }
  }
}

const SOURCES = 'a URL, a Response, bytes or a WebAssembly.Module'

/** Whether something is a source of a core, or may be a promise of one. */
function isSource(given: unknown): given is WasmSource {
  if (typeof given === 'string') return true
  if (typeof given !== 'object' || given === null) return false
  const { href, arrayBuffer, then } = given as { readonly [name: string]: unknown }
  // Recognised by their tags: they may be from another window.
  const words = ['ArrayBuffer', 'SharedArrayBuffer', 'WebAssembly.Module']
  return (
    typeof href === 'string' ||
    typeof arrayBuffer === 'function' ||
    typeof then === 'function' ||
    ArrayBuffer.isView(given) ||
    words.some(word => Object.prototype.toString.call(given) === `[object ${word}]`)
  )
}

/** Whether the option `wasm` names the two cores. Typed arrays have a method named `values`. */
export function isBoth(given: unknown): given is Partial<WasmSources> {
  if (typeof given !== 'object' || given === null) return false
  return 'whole' in given || Object.hasOwn(given, 'values')
}

/** Keeps a promise that fails before its core is needed from ending the process. */
function holdFailures(wasm: unknown): void {
  const sources = isBoth(wasm) ? [wasm.whole, wasm.values] : [wasm]
  for (const source of sources) {
    if (source instanceof Promise) source.catch(() => undefined)
  }
}
