/**
 * Where a field is inside an entity's value.
 *
 * Items of keyed lists are named by id, never by index, so a path stays right while others reorder the
 * list.
 */

export type Json = null | boolean | number | string | Json[] | JsonObject
export interface JsonObject {
  [name: string]: Json
}

/** An object's property, or the item of a keyed list whose property `key` is `id`. */
export type Step = string | { readonly key: string; readonly id: string }
export type Path = readonly Step[]

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function child(value: Json | undefined, step: Step): Json | undefined {
  if (typeof step === 'string') return isObject(value) ? value[step] : undefined
  return Array.isArray(value) ? findItem(value, step) : undefined
}

function findItem(list: readonly Json[], step: { key: string; id: string }): Json | undefined {
  return list.find(item => isObject(item) && item[step.key] === step.id)
}

export function read(value: Json | undefined, path: Path): Json | undefined {
  let at = value
  for (const step of path) at = child(at, step)
  return at
}

/** The object at `path` in a draft; objects that are left out because they are empty are made. */
export function objectAt(draft: JsonObject, path: Path): JsonObject {
  let at: JsonObject = draft
  for (let index = 0; index < path.length; index += 1) {
    const step = path[index]
    if (typeof step !== 'string') throw new Error('a list item must follow its list in a path')
    const next = path[index + 1]
    if (next !== undefined && typeof next !== 'string') {
      const list = at[step]
      const item = Array.isArray(list) ? findItem(list, next) : undefined
      if (!isObject(item)) throw new GoneError()
      at = item
      index += 1
    } else {
      const existing = at[step]
      if (isObject(existing)) at = existing
      else {
        const made: JsonObject = {}
        at[step] = made
        at = made
      }
    }
  }
  return at
}

/** Sets the field at `path` in a draft; `undefined` takes it away. */
export function write(draft: JsonObject, path: Path, value: Json | undefined): void {
  const last = path[path.length - 1]
  if (typeof last !== 'string') throw new Error('only a property can be written')
  const object = objectAt(draft, path.slice(0, -1))
  if (value === undefined) delete object[last]
  else object[last] = value
}

/** The list at `path` in a draft, made when it was left out because it is empty. */
export function listAt(draft: JsonObject, path: Path): Json[] {
  const last = path[path.length - 1]
  if (typeof last !== 'string') throw new Error('a list is a property')
  const object = objectAt(draft, path.slice(0, -1))
  const list = object[last]
  if (Array.isArray(list)) return list
  const made: Json[] = []
  object[last] = made
  return made
}

export function pointer(path: Path): string {
  return path
    .map(step => (typeof step === 'string' ? step : step.id))
    .map(token => `/${token.replaceAll('~', '~0').replaceAll('/', '~1')}`)
    .join('')
}

/** The item being edited was deleted by someone else. */
export class GoneError extends Error {
  constructor() {
    super('the item was deleted')
    this.name = 'GoneError'
  }
}
