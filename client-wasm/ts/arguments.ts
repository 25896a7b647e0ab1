/**
 * What programs give to the client, looked at before anything is done with it. Programs are written
 * in JavaScript too, so anything may come.
 *
 * Invariant: what is wrong is an error at the call that names the argument and what it must be;
 * nothing that was given is passed over.
 */

import { IndelibleError } from './errors.js'
import { toJson } from './json.js'

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
  const { store, preventUnsavedChanges: asks } = given
  if (isGiven(store) && store !== 'memory') {
    return fault("the option store must be 'memory'")
  }
  if (isGiven(asks) && typeof asks !== 'boolean') {
    return fault(`the option preventUnsavedChanges must be a boolean, not ${kindOf(asks)}`)
  }
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

/** Programs in JavaScript leave an option out with `null`, too. */
export function isGiven<T>(option: T): option is NonNullable<T> {
  return option !== undefined && option !== null
}

/** By option: the words that it takes, `'function'` or `'any'`. */
type Forms = { readonly [name: string]: readonly string[] | 'function' | 'any' }

/** The options of a method, of which none are unknown. */
export function optionsOf<T extends object>(given: T | undefined, method: string, forms: Forms): T {
  if (given === undefined) return {} as T
  assertObject(given, `the options of ${method}`)
  for (const [name, value] of Object.entries(given) as [string, unknown][]) {
    const form = Object.hasOwn(forms, name) ? forms[name] : undefined
    if (form === undefined) {
      const names = Object.keys(forms).join(', ')
      const message = `${method} has no option ${JSON.stringify(name)}: it has ${names}`
      throw new IndelibleError('argument', message)
    }
    if (value === undefined || form === 'any') continue
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
