/**
 * Frozen JSON snapshots: patches and new values are applied so that everything that did not change
 * keeps its identity, and `===` tells a user interface what to draw again.
 *
 * What this module returns is deeply frozen, and no input is ever changed.
 */

import { IndelibleError } from './errors.js'
import { applySplices } from './text.js'
import type { Change, JsonObject, JsonValue, Patch } from './types.js'

/** Whether a value is an object and not an array. */
export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isArray(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value)
}

/** Freezes a freshly parsed value all the way down. */
export function freeze<T extends JsonValue>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const child of Object.values(value)) freeze(child as JsonValue)
  return Object.freeze(value)
}

/** `next`, frozen, with every part that equals the same part of `before` replaced by that part. */
export function share(before: JsonValue | undefined, next: JsonValue): JsonValue {
  if (before === next) return next
  if (isArray(before) && isArray(next)) {
    const shared = next.map((element, index) => share(before[index], element))
    const same =
      before.length === shared.length && shared.every((element, i) => element === before[i])
    return same ? before : Object.freeze(shared)
  }
  if (isObject(before) && isObject(next)) {
    const shared: Record<string, JsonValue> = Object.create(null) as Record<string, JsonValue>
    let same = Object.keys(before).length === Object.keys(next).length
    for (const [key, child] of Object.entries(next)) {
      const old = Object.hasOwn(before, key) ? before[key] : undefined
      const kept = share(old, child)
      shared[key] = kept
      if (kept !== old) same = false
    }
    return same ? before : plain(shared)
  }
  return freeze(next)
}

/** Own properties only, `__proto__` included as an ordinary key; an ordinary frozen object. */
function plain(record: Record<string, JsonValue>): JsonObject {
  const object: Record<string, JsonValue> = {}
  for (const key of Object.keys(record)) define(object, key, record[key] as JsonValue)
  return Object.freeze(object)
}

/** Sets an own property even where the name means something else to JavaScript (`__proto__`). */
export function define(object: object, key: PropertyKey, value: unknown): void {
  Object.defineProperty(object, key, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  })
}

/**
 * The value after changes, and the changes as a plain JSON Patch, in which texts are replaced whole.
 *
 * @throws IndelibleError `patch` like `applyPatches`.
 */
export function applyChanges(
  value: JsonValue,
  changes: readonly Change[],
): { readonly value: JsonValue; readonly patches: readonly Patch[] } {
  const copies = new Copies()
  const patches: Patch[] = []
  let text: string | null = null
  const next = changes.reduce<JsonValue>((before, change) => {
    if (change.op !== 'splice') {
      text = null
      patches.push(change)
      return applyPatch(before, change, copies)
    }
    const path = tokens(change.path)
    const old = read(before, path)
    const spliced = typeof old === 'string' ? applySplices(old, [change]) : null
    if (spliced === null) throw misfit(change.path)
    // Of several splices of one text, the last has the final text.
    if (text === change.path) patches.pop()
    text = change.path
    patches.push({ op: 'replace', path: change.path, value: spliced })
    return edit(before, path, { sort: 'replace', value: spliced }, copies)
  }, value)
  copies.freeze()
  return { value: next, patches }
}

/**
 * The value after the patches. Only the containers on the way to a change are copied, each once
 * however many patches there are.
 *
 * @throws IndelibleError `patch` when an operation does not fit the value: then the caller has missed
 * a change and must ask for the whole value.
 */
export function applyPatches(value: JsonValue, patches: readonly Patch[]): JsonValue {
  const copies = new Copies()
  const patched = patches.reduce<JsonValue>(
    (before, patch) => applyPatch(before, patch, copies),
    value,
  )
  copies.freeze()
  return patched
}

/** Containers that were copied on the way to a change, and may be changed until they are frozen. */
class Copies {
  readonly #copies = new Set<object>()

  /** The container itself if it is a copy already, or a copy of it. */
  of<T extends readonly JsonValue[] | JsonObject>(container: T, copy: (container: T) => T): T {
    if (this.#copies.has(container)) return container
    const copied = copy(container)
    this.#copies.add(copied)
    return copied
  }

  freeze(): void {
    for (const copy of this.#copies) Object.freeze(copy)
    this.#copies.clear()
  }
}

function applyPatch(value: JsonValue, patch: Patch, copies: Copies): JsonValue {
  const path = tokens(patch.path)
  switch (patch.op) {
    case 'add':
      return edit(value, path, { sort: 'add', value: freeze(patch.value) }, copies)
    case 'replace':
      return edit(value, path, { sort: 'replace', value: freeze(patch.value) }, copies)
    case 'remove':
      return edit(value, path, { sort: 'remove' }, copies)
    case 'move': {
      const from = tokens(patch.from)
      const moved = read(value, from)
      const rest = edit(value, from, { sort: 'remove' }, copies)
      return edit(rest, path, { sort: 'add', value: moved }, copies)
    }
    case 'copy': {
      // What is in two places from now on must not be changed in both.
      copies.freeze()
      return edit(value, path, { sort: 'add', value: read(value, tokens(patch.from)) }, copies)
    }
    case 'test':
      if (share(read(value, path), patch.value) !== read(value, path)) throw misfit(patch.path)
      return value
  }
}

type Edit =
  | { readonly sort: 'add' | 'replace'; readonly value: JsonValue }
  | { readonly sort: 'remove' }

/** The steps of a JSON Pointer. */
export function tokens(pointer: string): readonly string[] {
  if (pointer === '') return []
  if (!pointer.startsWith('/')) throw misfit(pointer)
  return pointer
    .slice(1)
    .split('/')
    .map(token => token.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function misfit(pointer: string): IndelibleError {
  return new IndelibleError('patch', `the patch does not fit the value at "${pointer}"`)
}

function read(value: JsonValue, path: readonly string[]): JsonValue {
  let here: JsonValue = value
  for (const token of path) here = child(here, token)
  return here
}

function child(container: JsonValue, token: string): JsonValue {
  if (isArray(container)) return container[position(token, container.length - 1)] as JsonValue
  if (isObject(container) && Object.hasOwn(container, token)) return container[token] as JsonValue
  throw misfit(`/${token}`)
}

function position(token: string, max: number): number {
  const index = /^(?:0|[1-9]\d{0,8})$/.test(token) ? Number(token) : Number.NaN
  if (!(index <= max)) throw misfit(`/${token}`)
  return index
}

function edit(value: JsonValue, path: readonly string[], change: Edit, copies: Copies): JsonValue {
  const [token, ...rest] = path
  if (token === undefined) {
    if (change.sort === 'remove') throw misfit('')
    return change.value
  }
  if (isArray(value)) return editArray(value, token, rest, change, copies)
  if (isObject(value)) return editObject(value, token, rest, change, copies)
  throw misfit(`/${token}`)
}

function editArray(
  array: readonly JsonValue[],
  token: string,
  rest: readonly string[],
  change: Edit,
  copies: Copies,
): JsonValue {
  const copy = copies.of(array, array => array.slice()) as JsonValue[]
  if (rest.length > 0) {
    const index = position(token, array.length - 1)
    copy[index] = edit(array[index] as JsonValue, rest, change, copies)
  } else if (change.sort === 'add') {
    copy.splice(token === '-' ? array.length : position(token, array.length), 0, change.value)
  } else if (change.sort === 'replace') {
    copy[position(token, array.length - 1)] = change.value
  } else {
    copy.splice(position(token, array.length - 1), 1)
  }
  return copy
}

function editObject(
  object: JsonObject,
  token: string,
  rest: readonly string[],
  change: Edit,
  copies: Copies,
): JsonValue {
  if ((rest.length > 0 || change.sort !== 'add') && !Object.hasOwn(object, token)) {
    throw misfit(`/${token}`)
  }
  const copy = copies.of(object, object => ({ ...object }))
  if (rest.length > 0) define(copy, token, edit(object[token] as JsonValue, rest, change, copies))
  else if (change.sort === 'remove') Reflect.deleteProperty(copy, token)
  else define(copy, token, change.value)
  return copy
}
