/**
 * JSON text of what a program passes in, exactly or not at all.
 *
 * The text reads back as the value that was passed in. `JSON.stringify` leaves out or changes what JSON
 * cannot express; here that is an error with a place.
 */

import { IndelibleError } from './errors.js'

/** How deep containers may be nested, as on the server. */
const DEPTH_MAX = 127

/** A value that JSON cannot hold as it is. Nothing was applied or sent. */
export class JsonError extends IndelibleError {
  override readonly name = 'JsonError'
  /** Where in the value: a JSON Pointer. */
  readonly pointer: string

  constructor(pointer: string, reason: string, options?: { readonly cause?: unknown }) {
    super('json', `${pointer === '' ? 'the value' : shortened(pointer)}: ${reason}`, options)
    this.pointer = pointer
  }
}

/**
 * JSON text of a value. Properties that are `undefined` count as absent; an object with a method
 * `toJSON`, such as a `Date`, is what that gives; `-0` is `0`.
 *
 * @throws JsonError for everything else that JSON cannot hold: `undefined` and holes in arrays, `NaN`,
 * `Infinity`, bigints, functions, symbols, half a surrogate pair, objects that are not plain (promises,
 * maps, sets, instances of classes), cycles. `at` is where the value belongs.
 */
export function toJson(value: unknown, at = ''): string {
  const text = new Writer().write(value, at)
  if (text === undefined) throw new JsonError(at, 'undefined is no JSON value')
  return text
}

const SHOWN = 80

/** Keeps messages short where the value is a megabyte. */
export function shortened(text: string): string {
  const [...shown] = text.slice(0, 2 * SHOWN)
  return shown.length > SHOWN ? `${shown.slice(0, SHOWN).join('')}…` : text
}

/** One step of a JSON Pointer. */
function token(key: string): string {
  return `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
}

class Writer {
  /** The containers around the present one. */
  readonly #above = new Set<object>()

  /** `undefined` where there is nothing to write. */
  write(given: unknown, at: string, key = ''): string | undefined {
    const value = jsonOf(given, at, key)
    switch (typeof value) {
      case 'undefined':
        return undefined
      case 'string':
        return string(value, at)
      case 'boolean':
        return String(value)
      case 'number':
        if (!Number.isFinite(value)) throw new JsonError(at, `${value} is no number in JSON`)
        return String(value === 0 ? 0 : value)
      case 'object':
        return value === null ? 'null' : this.#container(value, at)
      default:
        throw new JsonError(at, `JSON has no word for a ${typeof value}`)
    }
  }

  #container(value: object, at: string): string {
    if (this.#above.has(value)) throw new JsonError(at, 'the value lies in itself')
    if (this.#above.size === DEPTH_MAX) {
      throw new JsonError(at, `the value lies more than ${DEPTH_MAX} levels deep`)
    }
    this.#above.add(value)
    const text = Array.isArray(value) ? this.#array(value, at) : this.#object(value, at)
    this.#above.delete(value)
    return text
  }

  #array(array: readonly unknown[], at: string): string {
    const parts: string[] = []
    const keys = named(array, at)
    for (let index = 0; index < array.length; index += 1) {
      const place = `${at}/${index}`
      if (!Object.hasOwn(array, index)) throw new JsonError(place, 'the array has a hole here')
      const text = this.write(read(array, String(index), place), place, String(index))
      if (text === undefined) throw new JsonError(place, 'undefined is no JSON value')
      parts.push(text)
    }
    const extra = keys.length > array.length ? keys[array.length] : undefined
    if (extra !== undefined) {
      throw new JsonError(at + token(extra), 'an array has no such property in JSON')
    }
    return `[${parts.join(',')}]`
  }

  #object(object: object, at: string): string {
    if (!isPlain(object)) {
      throw new JsonError(at, `JSON has no word for ${nameOf(object)}${hint(object)}`)
    }
    const parts: string[] = []
    for (const key of named(object, at)) {
      const place = at + token(key)
      const text = this.write(read(object, key, place), place, key)
      if (text !== undefined) parts.push(`${string(key, place)}:${text}`)
    }
    return `{${parts.join(',')}}`
  }
}

/** The properties of an object that count. */
function named(object: object, at: string): string[] {
  const symbol = Object.getOwnPropertySymbols(object).find(key =>
    Object.prototype.propertyIsEnumerable.call(object, key),
  )
  if (symbol !== undefined) throw new JsonError(at, `JSON has no word for ${String(symbol)}`)
  return Object.keys(object)
}

function read(object: object, key: string, at: string): unknown {
  try {
    return (object as Readonly<Record<string, unknown>>)[key]
  } catch (cause) {
    throw new JsonError(at, 'reading it failed', { cause })
  }
}

/** What an object's `toJSON` returns. */
function jsonOf(value: unknown, at: string, key: string): unknown {
  if (typeof value !== 'object' || value === null) return value
  const { toJSON } = value as { readonly toJSON?: unknown }
  if (typeof toJSON !== 'function') return value
  if (value instanceof Date && Number.isNaN(value.getTime())) {
    throw new JsonError(at, 'the date is not valid')
  }
  try {
    return (toJSON as (this: unknown, key: string) => unknown).call(value, key)
  } catch (cause) {
    throw new JsonError(at, 'its toJSON failed', { cause })
  }
}

function string(text: string, at: string): string {
  if (/\p{Surrogate}/u.test(text)) {
    throw new JsonError(at, 'the text has half of a surrogate pair, which is no character')
  }
  return JSON.stringify(text)
}

/** Whether an object is nothing but its own properties; one of another window counts. */
function isPlain(object: object): boolean {
  // `Math`, `arguments` and other objects of the language itself say what they are.
  if (Object.prototype.toString.call(object) !== '[object Object]') return false
  const prototype: unknown = Object.getPrototypeOf(object)
  if (prototype === null || prototype === Object.prototype) return true
  return (
    typeof prototype === 'object' &&
    Object.getPrototypeOf(prototype) === null &&
    Object.hasOwn(prototype as object, 'hasOwnProperty')
  )
}

function nameOf(object: object): string {
  const word = Object.prototype.toString.call(object).slice('[object '.length, -1)
  if (word !== 'Object') return `a ${word}`
  const name = (object as { readonly constructor?: { readonly name?: unknown } }).constructor?.name
  return typeof name === 'string' && name !== '' ? `a ${name}` : 'an instance of a class'
}

function hint(object: object): string {
  return object instanceof Promise ? ': await it first' : ''
}
