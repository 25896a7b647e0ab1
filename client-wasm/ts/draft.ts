/**
 * Drafts for `change(recipe)`: a recipe edits what looks like the value, while the frozen value
 * that it began from stays as it was. A container is copied when it is first accessed.
 *
 * Nothing that was passed in is ever written to, and a draft cannot be used after its change.
 */

import { IndelibleError } from './errors.js'
import { toJson } from './json.js'
import { define } from './value.js'

interface Change {
  open: boolean
  modified: boolean
}

const drafts = new WeakSet()

/**
 * JSON text of what `recipe` makes out of `value`; `null` when it changes nothing.
 *
 * @throws IndelibleError `argument` when the recipe is async, or returns a value instead of editing;
 * JsonError when it leaves something that JSON cannot hold.
 */
export function produce(value: object, recipe: (draft: object) => void): string | null {
  const change: Change = { open: true, modified: false }
  const draft = draftOf(value, change)
  try {
    // `unknown`: a recipe that is async by mistake shows only in what it returns.
    const result = (recipe as (draft: object) => unknown)(draft)
    assertSynchronous(result)
    if (!change.modified) assertNoValue(result)
    return change.modified ? toJson(draft) : null
  } finally {
    change.open = false
  }
}

/** Whether a recipe has finished. */
function assertSynchronous(result: unknown): void {
  const { then } = (result ?? {}) as { readonly then?: unknown }
  const isPromise = typeof result === 'object' && typeof then === 'function'
  // Of a generator not even the first line has been run.
  const isGenerator = /Generator\]$/.test(Object.prototype.toString.call(result))
  if (!isPromise && !isGenerator) return
  // The rest of it fails, since its draft cannot be used any more: that is reported once, here.
  if (isPromise) Promise.resolve(result).catch(() => undefined)
  throw new IndelibleError(
    'argument',
    'the recipe of a change must be synchronous, neither async nor a generator: nothing was changed',
  )
}

/** A recipe that makes a new value, as those of other libraries may, would change nothing. */
function assertNoValue(result: unknown): void {
  const isObject = typeof result === 'object' && result !== null && !drafts.has(result)
  if (!isObject || Object.getPrototypeOf(result) !== Object.prototype) return
  throw new IndelibleError(
    'argument',
    'the recipe of a change must edit its draft: what it returns is not taken, and nothing was changed',
  )
}

function draftOf(base: object, change: Change): object {
  const copy: object = Array.isArray(base) ? base.slice() : { ...base }
  const draft = new Proxy(copy, traps(change))
  drafts.add(draft)
  return draft
}

function traps(change: Change): ProxyHandler<object> {
  return {
    get(copy, key) {
      alive(change)
      return draftAt(copy, key, change)
    },
    set(copy, key, value: unknown) {
      alive(change)
      if (Object.hasOwn(copy, key) && Object.is(Reflect.get(copy, key), value)) return true
      change.modified = true
      if (key === 'length') return Reflect.set(copy, key, value)
      define(copy, key, value)
      return true
    },
    deleteProperty(copy, key) {
      alive(change)
      if (Object.hasOwn(copy, key)) change.modified = true
      return Reflect.deleteProperty(copy, key)
    },
    defineProperty(copy, key, descriptor) {
      alive(change)
      change.modified = true
      return Reflect.defineProperty(copy, key, descriptor)
    },
    getOwnPropertyDescriptor(copy, key) {
      alive(change)
      draftAt(copy, key, change)
      return Reflect.getOwnPropertyDescriptor(copy, key)
    },
    ownKeys(copy) {
      alive(change)
      return Reflect.ownKeys(copy)
    },
    setPrototypeOf: () => false,
    preventExtensions: () => false,
  }
}

function alive(change: Change): void {
  if (change.open) return
  throw new IndelibleError('argument', 'a draft is used after its change has ended')
}

/** What lies at a key; a container of the frozen value gives way to its draft first. */
function draftAt(copy: object, key: PropertyKey, change: Change): unknown {
  const held: unknown = Reflect.get(copy, key)
  if (typeof held !== 'object' || held === null || drafts.has(held)) return held
  if (!Object.hasOwn(copy, key) || !Object.isFrozen(held)) return held
  const draft = draftOf(held, change)
  define(copy, key, draft)
  return draft
}
