/**
 * What programs give to the client, looked at before anything is done with it. Programs are written
 * in JavaScript too, so anything may come.
 *
 * Invariant: what is wrong is an error at the call that names the argument and what it must be;
 * nothing that was given is passed over.
 */

import { IndelibleError } from './errors.js'
import { toJson } from './json.js'
import type { WasmSource, WasmSources } from './types.js'

/** What was given, for a sentence. */
export function kindOf(given: unknown): string {
  if (given === null) return 'null'
  return Array.isArray(given) ? 'an array' : typeof given
}

/** The core takes strings on trust: anything else would be the end of it, and of all edits in it. */
export function assertText(given: unknown, what: string): asserts given is string {
  if (typeof given === 'string') return
  throw new IndelibleError('name', `${what} must be a string, not ${kindOf(given)}`)
}

// The grammar of names is that of `engine/src/id.rs`, in whose words a name is refused; a test holds
// both to each other.

const KIND = /^[a-z][a-z\d-]{0,31}$/
const ID = /^[a-zA-Z\d][\w.~-]{0,63}$/

/** Whether something is the name of a kind, such as `team`. */
export function assertKind(given: unknown): asserts given is string {
  assertText(given, 'the name of a kind')
  if (KIND.test(given)) return
  const form = "1 to 32 characters: a lower-case letter, then lower-case letters, digits or '-'"
  throw new IndelibleError('name', `kind ${quoted(given)} must be ${form}`)
}

/** Whether something is the id of an entity within its kind, such as `jane-doe`. */
export function assertId(given: unknown): asserts given is string {
  assertText(given, 'the id of an entity')
  if (ID.test(given)) return
  const form =
    "1 to 64 characters: an ASCII letter or digit, then ASCII letters, digits, '.', '_', '~' or '-'"
  throw new IndelibleError('name', `entity id ${quoted(given)} must be ${form}`)
}

/** Whether something is the name of an entity: `team/jane-doe`, or the kind alone. */
export function assertEntityName(given: unknown): asserts given is string {
  assertText(given, 'the name of an entity')
  const slash = given.indexOf('/')
  assertKind(slash < 0 ? given : given.slice(0, slash))
  if (slash >= 0) assertId(given.slice(slash + 1))
}

/** Keeps sentences short where somebody gives a megabyte. */
function quoted(text: string): string {
  const [...shown] = text.slice(0, 2 * SHOWN)
  return JSON.stringify(shown.length > SHOWN ? `${shown.slice(0, SHOWN).join('')}…` : text)
}

const SHOWN = 80

/** Whether something is a JSON Pointer (RFC 6901). */
export function assertPointer(given: unknown): asserts given is string {
  assertText(given, 'a pointer')
  if (/^(\/([^~]|~[01])*)?$/su.test(given)) return
  const form = "a JSON pointer is empty or begins with '/', and has '~' only in '~0' and '~1'"
  throw new IndelibleError('name', `${JSON.stringify(given)} is no pointer: ${form}`)
}

/** Whether something can be called later; it would fail where nobody can tell whose it is. */
export function assertFunction(given: unknown, what: string): void {
  if (typeof given === 'function') return
  throw new IndelibleError('argument', `${what} must be a function, not ${kindOf(given)}`)
}

/** Whether something has properties. */
export function assertObject(given: unknown, what: string): asserts given is object {
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) return
  throw new IndelibleError('argument', `${what} must be an object, not ${kindOf(given)}`)
}

/** What was lost of an edit, as a status reports it. */
export function assertDropped(given: unknown): void {
  const what = 'what is brought back'
  assertObject(given, what)
  const { pointer, reason, rule, operations } = given as { readonly [name: string]: unknown }
  assertPointer(pointer)
  const wrong = (part: string, form: string, found: unknown) =>
    new IndelibleError('argument', `${part} of ${what} must be ${form}, not ${kindOf(found)}`)
  if (typeof reason !== 'string') throw wrong('reason', 'a string', reason)
  if (isGiven(rule) && typeof rule !== 'string') throw wrong('rule', 'a string', rule)
  if (typeof operations !== 'number') throw wrong('operations', 'a number', operations)
}

/** The JSON text of an object. */
export function objectJson(given: unknown, what: string): string {
  if (given === undefined) assertObject(given, what)
  const text = toJson(given)
  if (!text.startsWith('{')) {
    const found = typeof given === 'object' && given !== null ? text : kindOf(given)
    throw new IndelibleError('argument', `${what} must be an object, not ${found}`)
  }
  return text
}

const CLIENT_OPTIONS = [
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
const TIMES = { reconnect: ['delayMin', 'delayMax'], silence: ['probeAfter', 'answerWithin'] }

/** What is wrong with the options of a client, but for those that the connection looks at itself. */
export function faultOfOptions(options: object): IndelibleError | null {
  const given: Readonly<Record<string, unknown>> = { ...options }
  const fault = (message: string) => new IndelibleError('option', message)
  const unknown = (of: string, held: object, names: readonly string[]) => {
    const name = Object.keys(held).find(one => !names.includes(one))
    const known = `it has ${names.join(', ')}`
    return name === undefined
      ? null
      : fault(`${of} has no option ${JSON.stringify(name)}: ${known}`)
  }
  const misspelt = unknown('a client', given, CLIENT_OPTIONS)
  if (misspelt !== null) return misspelt
  const { store, name, wasm, preventUnsavedChanges: asks } = given
  if (isGiven(store) && store !== 'memory') {
    return fault("the option store must be 'memory'")
  }
  if (isGiven(asks) && typeof asks !== 'boolean') {
    return fault(`the option preventUnsavedChanges must be a boolean, not ${kindOf(asks)}`)
  }
  if (isGiven(name) && typeof name !== 'string') {
    return fault(`the option name must be a string, not ${kindOf(name)}`)
  }
  const wrongSource = isGiven(wasm) ? faultOfWasm(wasm) : null
  if (wrongSource !== null) return fault(wrongSource)
  for (const [option, names] of Object.entries(TIMES)) {
    const held = given[option]
    if (!isGiven(held)) continue
    if (typeof held !== 'object') {
      return fault(`the option ${option} must be an object, not ${kindOf(held)}`)
    }
    const wrong = unknown(`the option ${option}`, held, names)
    if (wrong !== null) return wrong
    for (const [part, time] of Object.entries(held) as [string, unknown][]) {
      // Of anything else a timer makes zero, and the client would try again without a pause.
      const isTime = typeof time === 'number' && Number.isFinite(time) && time >= 0
      if (isGiven(time) && !isTime) {
        const found = typeof time === 'number' ? String(time) : kindOf(time)
        return fault(`${part} of the option ${option} must be milliseconds, not ${found}`)
      }
    }
  }
  return null
}

/** What is wrong with the option `wasm`. */
function faultOfWasm(given: unknown): string | null {
  if (isSource(given)) return null
  if (!isBoth(given)) {
    return `the option wasm must be ${SOURCES}, or { whole, values }, not ${kindOf(given)}`
  }
  for (const [name, source] of Object.entries(given)) {
    if (name !== 'whole' && name !== 'values') {
      return `the option wasm has no option ${JSON.stringify(name)}: it has whole, values`
    }
    if (isGiven(source) && !isSource(source)) {
      return `${name} of the option wasm must be ${SOURCES}, not ${kindOf(source)}`
    }
  }
  return null
}

const SOURCES = 'a URL, a Response, bytes or a WebAssembly.Module'

/** Whether a core can be had from something, or from what a promise will give. */
function isSource(given: unknown): given is WasmSource {
  if (typeof given === 'string') return true
  if (typeof given !== 'object' || given === null) return false
  const { href, arrayBuffer, then } = given as { readonly [name: string]: unknown }
  // Told by what they say they are: they may be of another window.
  const words = ['ArrayBuffer', 'SharedArrayBuffer', 'WebAssembly.Module']
  return (
    typeof href === 'string' ||
    typeof arrayBuffer === 'function' ||
    typeof then === 'function' ||
    ArrayBuffer.isView(given) ||
    words.some(word => Object.prototype.toString.call(given) === `[object ${word}]`)
  )
}

/** Whether the option `wasm` names the two cores. Bytes have a method of the name `values`. */
export function isBoth(given: unknown): given is Partial<WasmSources> {
  if (typeof given !== 'object' || given === null) return false
  return 'whole' in given || Object.hasOwn(given, 'values')
}

/** Sees to it that a promise which fails before its core is needed does not end the process. */
export function holdFailures(wasm: unknown): void {
  const sources = isBoth(wasm) ? [wasm.whole, wasm.values] : [wasm]
  for (const source of sources) {
    if (source instanceof Promise) source.catch(() => undefined)
  }
}

/** Programs in JavaScript leave an option out with `null`, too. */
export function isGiven<T>(option: T): option is NonNullable<T> {
  return option !== undefined && option !== null
}

/** By option: the words that it takes, `'function'` or `'any'`. */
type Forms = { readonly [name: string]: readonly string[] | 'function' | 'any' }

/** That an object has no properties but these. */
export function assertNames(
  given: object,
  of: string,
  part: string,
  names: readonly string[],
): void {
  const name = Object.keys(given).find(one => !names.includes(one))
  if (name === undefined) return
  const message = `${of} has no ${part} ${JSON.stringify(name)}: it has ${names.join(', ')}`
  throw new IndelibleError('argument', message)
}

/** The options of a method, of which none are unknown. */
export function optionsOf<T extends object>(given: T | undefined, method: string, forms: Forms): T {
  if (given === undefined) return {} as T
  assertObject(given, `the options of ${method}`)
  assertNames(given, method, 'option', Object.keys(forms))
  for (const [name, value] of Object.entries(given) as [string, unknown][]) {
    const form = forms[name]
    if (form === undefined || value === undefined || form === 'any') continue
    if (form === 'function') assertFunction(value, `the option ${name} of ${method}`)
    else if (!form.some(word => word === value)) {
      const words = form.map(word => `'${word}'`).join(' or ')
      const found = typeof value === 'string' ? JSON.stringify(value) : kindOf(value)
      const message = `the option ${name} of ${method} must be ${words}, not ${found}`
      throw new IndelibleError('argument', message)
    }
  }
  return given
}
