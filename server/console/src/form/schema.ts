/**
 * What a form needs to know of a schema: which control a field gets, and why it may be locked.
 *
 * It reads JSON Schema and `x-indelible` for display only. The engine behind the client decides: a
 * mistake here merely shows the wrong control.
 */

import type { Json } from './path.ts'

export interface Annotations {
  readonly kind?: string
  readonly singleton?: boolean
  readonly create?: readonly string[]
  readonly edit?: readonly string[]
  readonly system?: readonly string[]
  readonly write?: 'edit' | 'create' | 'system' | readonly string[]
  readonly read?: readonly string[]
  readonly merge?: 'register' | 'counter' | 'text' | 'list' | 'keyed' | 'atomic'
  readonly key?: string
  readonly stamp?: string
  readonly tally?: boolean
}

export interface Schema {
  readonly $ref?: string
  readonly $defs?: Readonly<Record<string, Schema>>
  readonly allOf?: readonly Schema[]
  readonly type?: string | readonly string[]
  readonly title?: string
  readonly description?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: boolean | Schema
  readonly items?: Schema
  readonly required?: readonly string[]
  readonly enum?: readonly Json[]
  readonly format?: string
  readonly default?: Json
  readonly examples?: readonly Json[]
  readonly minimum?: number
  readonly maximum?: number
  readonly maxLength?: number
  readonly pattern?: string
  readonly readOnly?: boolean
  readonly 'x-indelible'?: Annotations
}

export type Control =
  | 'object'
  | 'map'
  | 'keyed'
  | 'list'
  | 'text'
  | 'choice'
  | 'checkbox'
  | 'number'
  | 'date'
  | 'colour'
  | 'line'
  | 'json'

/** Follows `$ref` and folds `allOf` in, so that callers see one flat schema. */
export function resolve(schema: Schema, root: Schema): Schema {
  let flat = schema
  if (schema.$ref?.startsWith('#/$defs/')) {
    const { $ref, ...own } = schema
    const target = root.$defs?.[$ref.slice('#/$defs/'.length)]
    if (target) flat = { ...resolve(target, root), ...own }
  }
  for (const part of flat.allOf ?? []) {
    const more = resolve(part, root)
    flat = {
      ...more,
      ...flat,
      ...(more.properties && { properties: { ...more.properties, ...flat.properties } }),
      ...(more.required && { required: [...more.required, ...(flat.required ?? [])] }),
    }
  }
  return flat
}

/** The pattern that a colour box can be sure to meet. */
const HEX_COLOUR = '^#[0-9a-f]{6}$'

function typeOf(schema: Schema): string | undefined {
  if (typeof schema.type === 'string') return schema.type
  return schema.type?.find(type => type !== 'null')
}

export function controlOf(schema: Schema): Control {
  const merge = schema['x-indelible']?.merge
  if (merge === 'atomic') return 'json'
  if (schema.enum) return 'choice'
  switch (typeOf(schema)) {
    case 'object':
      return schema.properties ? 'object' : 'map'
    case 'array':
      return typeOf(schema.items ?? {}) === 'object' || schema.items?.$ref ? 'keyed' : 'list'
    case 'boolean':
      return 'checkbox'
    case 'integer':
    case 'number':
      return 'number'
    default:
      if (merge === 'text') return 'text'
      if (schema.pattern === HEX_COLOUR) return 'colour'
      return schema.format === 'date' ? 'date' : 'line'
  }
}

export type Write = NonNullable<Annotations['write']>

/** The write rule in force for a field: its own, or the one it inherits. */
export function writeOf(schema: Schema, inherited: Write): Write {
  if (schema.readOnly) return 'system'
  return schema['x-indelible']?.write ?? inherited
}

export type Lock =
  | { readonly why: 'stamp' | 'tally' | 'create' | 'system' | 'edit' }
  | { readonly why: 'roles'; readonly roles: readonly string[] }

/** Who is looking at the form, and whether the object it shows is still to be made. */
export interface Viewer {
  readonly roles: readonly string[]
  readonly mayEdit: boolean
  /** Whether the system's fields are theirs to write: services, in `system` of the schema. */
  readonly serves: boolean
}

/** Why a field cannot be written here, or null when it can. */
export function lockOf(schema: Schema, write: Write, viewer: Viewer, isNew: boolean): Lock | null {
  const annotations = schema['x-indelible']
  if (annotations?.stamp) return { why: 'stamp' }
  if (annotations?.tally) return { why: 'tally' }
  if (write === 'system') return viewer.serves ? null : { why: 'system' }
  if (write === 'create' && !isNew) return { why: 'create' }
  if (!viewer.mayEdit) return { why: 'edit' }
  if (Array.isArray(write) && !write.some(role => viewer.roles.includes(role))) {
    return { why: 'roles', roles: write }
  }
  return null
}
