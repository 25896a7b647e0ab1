/**
 * How a document is presented as a value, read from `docs/storage-format.md` by a reader who knows
 * no Rust: a schema, and a document as stock Automerge shows it.
 */

import { Counter, ImmutableString } from '@automerge/automerge'

export interface Schema {
  readonly properties?: { readonly [name: string]: Schema }
  readonly items?: Schema
  readonly required?: readonly string[]
}

interface Stored {
  readonly [name: string]: unknown
  readonly $deleted?: unknown
  readonly $position?: unknown
}

/** The value of an object of the schema. */
export function present(schema: Schema, map: Stored): { [name: string]: unknown } {
  const value: { [name: string]: unknown } = {}
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const found = field(property, map[name])
    const required = schema.required?.includes(name) ?? false
    const isThere = found !== undefined && (required || !isEmpty(map[name], found))
    if (isThere) value[name] = found
  }
  return value
}

function field(schema: Schema, stored: unknown): unknown {
  if (stored instanceof ImmutableString) return stored.val
  if (stored instanceof Counter) return stored.value
  if (Array.isArray(stored)) return stored.map(element => field({}, element))
  if (typeof stored !== 'object' || stored === null) return stored
  return schema.items
    ? items(schema.items, stored as { [id: string]: Stored })
    : present(schema, stored as Stored)
}

/** The items of a keyed list in their order: by position, then by id. */
function items(schema: Schema, map: { [id: string]: Stored }): unknown[] {
  return Object.entries(map)
    .filter(([, item]) => item.$deleted !== true)
    .map(([id, item]) => ({ id, item, position: String(item.$position) }))
    .sort((a, b) => order(a.position, b.position) || order(a.id, b.id))
    .map(({ id, item }) => ({ id, ...present(schema, item) }))
}

function order(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}

/** Whether what is stored is a container with nothing in it to present; registers never are. */
function isEmpty(stored: unknown, value: unknown): boolean {
  if (stored instanceof ImmutableString || stored instanceof Counter) return false
  if (typeof value === 'string' || Array.isArray(value)) return value.length === 0
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}
