/**
 * Checks of what programs pass to the client. Programs are written in JavaScript too, so anything may
 * be passed.
 *
 * A wrong argument is an error at the call, which names the argument and what it must be; nothing is
 * ignored silently.
 */

import { IndelibleError, reasonOf } from './errors.js'
import { JsonError, shortened, toJson } from './json.js'
import type { Splice } from './text.js'

/** What was given, for a sentence. */
export function kindOf(given: unknown): string {
  if (given === null) return 'null'
  return Array.isArray(given) ? 'an array' : typeof given
}

/** The core takes strings unchecked: anything else would end it, with all edits in it. */
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

/** A text, quoted for a sentence. */
export function quoted(text: string): string {
  return JSON.stringify(shortened(text))
}

/** Whether something is a JSON Pointer (RFC 6901). */
export function assertPointer(given: unknown): asserts given is string {
  assertText(given, 'a pointer')
  if (/^(\/([^~]|~[01])*)?$/su.test(given)) return
  const form = "a JSON pointer is empty or begins with '/', and has '~' only in '~0' and '~1'"
  throw new IndelibleError('name', `${quoted(given)} is no pointer: ${form}`)
}

/** Asserts that something can be called: later, its failure could not be traced to its caller. */
export function assertFunction(given: unknown, what: string): void {
  if (typeof given === 'function') return
  throw new IndelibleError('argument', `${what} must be a function, not ${kindOf(given)}`)
}

/** Whether something has properties. */
export function assertObject(given: unknown, what: string): asserts given is object {
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) return
  throw new IndelibleError('argument', `${what} must be an object, not ${kindOf(given)}`)
}

/** The JSON text of what was lost of an edit, as a status reports it. */
export function droppedJson(given: unknown): string {
  const what = 'what is brought back'
  assertObject(given, what)
  const text = objectJson(given, what)
  const { pointer, reason, rule, operations } = JSON.parse(text) as {
    readonly [name: string]: unknown
  }
  assertPointer(pointer)
  const wrong = (part: string, form: string, found: unknown) =>
    new IndelibleError('argument', `${part} of ${what} must be ${form}, not ${kindOf(found)}`)
  if (typeof reason !== 'string') throw wrong('reason', 'a string', reason)
  if (isGiven(rule) && typeof rule !== 'string') throw wrong('rule', 'a string', rule)
  if (typeof operations !== 'number') throw wrong('operations', 'a number', operations)
  return text
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

/** Programs in JavaScript leave an option out with `null`, too. */
export function isGiven<T>(option: T): option is NonNullable<T> {
  return option !== undefined && option !== null
}

/** The complaint about a property that is not one of `names`; `null`: there is none. */
export function unknownIn(
  given: object,
  of: string,
  part: string,
  names: readonly string[],
): string | null {
  const name = Object.keys(given).find(one => !names.includes(one))
  return name === undefined
    ? null
    : `${of} has no ${part} ${quoted(name)}: it has ${names.join(', ')}`
}

/** What was thrown, as the end of a sentence. */
export function because(thrown: unknown): string {
  const reason = reasonOf(thrown)
  return reason === '' ? '' : `: ${reason}`
}

/**
 * The properties with these names, each read once: a getter may return something else the next time.
 * Reading may fail, and `fault` makes the error that is thrown then.
 */
export function readProperties(
  from: object,
  names: readonly string[],
  title: (name: string) => string,
  fault: (message: string, cause: unknown) => IndelibleError,
): Record<string, unknown> {
  const read: Record<string, unknown> = {}
  for (const name of names) {
    try {
      const value = (from as Readonly<Record<string, unknown>>)[name]
      if (value !== undefined) read[name] = value
    } catch (cause) {
      throw fault(`${title(name)} could not be read${because(cause)}`, cause)
    }
  }
  return read
}

function wrongArgument(message: string, cause?: unknown): IndelibleError {
  return new IndelibleError('argument', message, { cause })
}

/** By option: the words that it takes, `'function'` or `'any'`. */
type Forms = { readonly [name: string]: readonly string[] | 'function' | 'any' }

/** The options of a method; unknown ones are an error. */
export function optionsOf<T extends object>(given: T | undefined, method: string, forms: Forms): T {
  if (given === undefined) return {} as T
  assertObject(given, `the options of ${method}`)
  const unknown = unknownIn(given, method, 'option', Object.keys(forms))
  if (unknown !== null) throw wrongArgument(unknown)
  const title = (name: string) => `the option ${name} of ${method}`
  const read = readProperties(given, Object.keys(forms), title, wrongArgument)
  for (const [name, value] of Object.entries(read)) {
    const form = forms[name]
    if (form === undefined || form === 'any') continue
    if (form === 'function') assertFunction(value, title(name))
    else if (!form.some(word => word === value)) {
      const words = form.map(word => `'${word}'`).join(' or ')
      const found = typeof value === 'string' ? quoted(value) : kindOf(value)
      throw wrongArgument(`${title(name)} must be ${words}, not ${found}`)
    }
  }
  return read as T
}

/** A well-formed splice; the core takes it unchecked. */
export function spliceOf(given: unknown, pointer: string): Splice {
  assertObject(given, 'a splice')
  const names = ['index', 'remove', 'insert']
  const unknown = unknownIn(given, 'a splice', 'property', names)
  if (unknown !== null) throw wrongArgument(unknown)
  const title = (name: string) => `${name} of a splice`
  const { index, remove, insert } = readProperties(given, names, title, wrongArgument)
  if (typeof insert !== 'string') {
    throw new JsonError(pointer, 'what is inserted in a text must be a string')
  }
  // For halves of surrogate pairs.
  toJson(insert, pointer)
  const count = (name: string, value: unknown): number => {
    if (typeof value !== 'number' || !Number.isInteger(value)) {
      const found = typeof value === 'number' ? String(value) : kindOf(value)
      throw wrongArgument(`${title(name)} must be a whole number, not ${found}`)
    }
    if (value >= 0 && value < 2 ** 32) return value
    const message = `${name} is ${value}: the splice is not inside the text at ${pointer}`
    throw new IndelibleError('document', message)
  }
  return { index: count('index', index), remove: count('remove', remove), insert }
}
