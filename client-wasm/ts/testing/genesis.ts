/**
 * The genesis of an entity, made with stock Automerge from `docs/storage-format.md` and a schema.
 */

import * as Automerge from '@automerge/automerge'
import canonicalize from 'canonicalize'

export interface Schema {
  readonly $defs?: { readonly [name: string]: Schema }
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly default?: unknown
  readonly properties?: { readonly [name: string]: Schema }
  readonly items?: Schema
  readonly 'x-indelible'?: {
    readonly merge?: string
    readonly stamp?: string
    readonly tally?: boolean
  }
}

type Map = { [name: string]: unknown }

/** The hash of the genesis change. */
export function genesis(schema: Schema, entity: string, epoch: number, policy: string): string {
  const message = `indelible genesis ${entity} ${epoch} ${policy}`
  const empty = Automerge.init<Map>({ actor: '00'.repeat(16) })
  const made = Automerge.change(empty, { message, time: 0 }, doc => {
    fields(schema, schema, doc)
    if (Object.keys(doc).length === 0) Object.assign(doc, { $genesis: true })
  })
  return Automerge.getHeads(made)[0] as string
}

function fields(root: Schema, schema: Schema, map: Map): void {
  for (const name of Object.keys(schema.properties ?? {}).sort()) {
    const property = schema.properties?.[name] as Schema
    const defined = property.$ref?.replace('#/$defs/', '')
    field(root, defined ? (root.$defs?.[defined] as Schema) : property, map, name)
  }
}

function field(root: Schema, schema: Schema, map: Map, name: string): void {
  const { type, default: initial, 'x-indelible': marks } = schema
  if (marks?.stamp || marks?.tally) return
  if (marks?.merge === 'text') {
    map[name] = initial ?? ''
  } else if (marks?.merge === 'counter') {
    map[name] = new Automerge.Counter((initial as number | undefined) ?? 0)
  } else if (marks?.merge === 'atomic') {
    if (initial !== undefined) map[name] = register(canonicalize(initial))
  } else if (type === 'object' || (type === 'array' && schema.items?.type === 'object')) {
    map[name] = {}
    if (type === 'object') fields(root, schema, map[name] as Map)
  } else if (type === 'array') {
    map[name] = ((initial as unknown[] | undefined) ?? []).map(register)
  } else if (initial !== undefined) {
    map[name] = register(initial)
  }
}

function register(value: unknown): unknown {
  return typeof value === 'string' ? new Automerge.ImmutableString(value) : value
}
