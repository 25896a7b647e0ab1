/**
 * Effects put to a value and taken back, read from `docs/storage-format.md` by a reader who knows
 * no Rust: a schema, a value, and what changed.
 */

import { isDeepStrictEqual } from 'node:util'

export interface Schema {
  readonly type?: string | readonly string[]
  readonly properties?: { readonly [name: string]: Schema }
  readonly additionalProperties?: Schema | boolean
  readonly items?: Schema
  readonly 'x-indelible'?: { readonly merge?: string; readonly key?: string }
}

export type Effect = {
  readonly pointer: string
  readonly made?: number
  readonly emptied?: number
} & (
  | {
      readonly effect: 'put'
      readonly from?: unknown
      readonly to?: unknown
      readonly index?: number
    }
  | {
      readonly effect: 'splice'
      readonly at: number
      readonly removed: Sequence
      readonly inserted: Sequence
    }
  | { readonly effect: 'move'; readonly from: number; readonly to: number }
)

type Sequence = string | readonly unknown[]
type Map = { [name: string]: unknown }
type Item = { readonly [name: string]: unknown }

/** The effect that leads back. */
export function inverse(effect: Effect): Effect {
  const { pointer, made: emptied, emptied: made } = effect
  const way = { pointer, ...(made && { made }), ...(emptied && { emptied }) }
  if (effect.effect === 'move') {
    return { ...way, effect: 'move', from: effect.to, to: effect.from }
  }
  if (effect.effect === 'splice') {
    const { at, removed, inserted } = effect
    return { ...way, effect: 'splice', at, removed: inserted, inserted: removed }
  }
  return {
    ...way,
    effect: 'put',
    ...('to' in effect && { from: effect.to }),
    ...('from' in effect && { to: effect.from }),
    ...('index' in effect && { index: effect.index }),
  }
}

/** The value after an effect; throws where the effect does not fit the value. */
export function applied(schema: Schema, value: object, effect: Effect): object {
  const tokens = effect.pointer.split('/').slice(1)
  const names = tokens.map(token => token.replaceAll('~1', '/').replaceAll('~0', '~'))
  const own = names.at(-1) as string
  // What the effect writes into: a text or list itself, else what holds the field.
  const chain = effect.effect === 'splice' ? names : names.slice(0, -1)
  const root = structuredClone(value) as Map
  const holder = chain.slice(0, chain.length - (effect.made ?? 0))
  if (effect.made) {
    const [first, ...rest] = chain.slice(holder.length) as [string, ...string[]]
    const made = rest.reduceRight<unknown>((inner, name) => ({ [name]: inner }), nothing(effect))
    const { map } = at(schema, root, holder)
    expect(isMap(map) && !(first in map), 'a container is made where none is')
    ;(map as Map)[first] = made
  }
  const target = at(schema, root, chain)
  const result = changed(target.map, target.schema, own, effect)
  if (typeof result === 'string') set(schema, root, chain, result)
  if (effect.emptied) {
    const gone = chain.slice(0, chain.length - effect.emptied + 1)
    set(schema, root, gone, undefined)
  }
  return root
}

function nothing(effect: Effect): unknown {
  if (effect.effect === 'splice') return typeof effect.inserted === 'string' ? '' : []
  return effect.effect === 'move' || effect.index !== undefined ? [] : {}
}

function expect(fits: boolean, what: string): asserts fits {
  if (!fits) throw new Error(`does not fit: ${what}`)
}

function isMap(value: unknown): value is Map {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function key(schema: Schema): string {
  return schema['x-indelible']?.key ?? 'id'
}

/** What lies at a place, with its schema. */
function at(schema: Schema, root: unknown, names: readonly string[]) {
  let place: { schema: Schema; map: unknown } = { schema, map: root }
  for (const name of names) {
    const { schema: outer, map: value } = place
    if (Array.isArray(value)) {
      expect(outer.items !== undefined, 'only keyed lists have items with names')
      const found = value.find((item: Item) => item[key(outer)] === name)
      place = { schema: outer.items, map: found }
    } else {
      expect(isMap(value), 'something holds it')
      const open = typeof outer.additionalProperties === 'object' ? outer.additionalProperties : {}
      place = { schema: outer.properties?.[name] ?? open, map: value[name] }
    }
    expect(place.map !== undefined, `${name} is there`)
  }
  return place
}

/** Sets or removes what an object holds. */
function set(schema: Schema, root: Map, names: readonly string[], value: unknown): void {
  const { map } = at(schema, root, names.slice(0, -1))
  expect(isMap(map), 'an object holds it')
  const name = names.at(-1) as string
  if (value === undefined) delete map[name]
  else map[name] = value
}

/** Changes a container in place; gives the text that comes instead of a text. */
function changed(container: unknown, schema: Schema, name: string, effect: Effect): unknown {
  if (effect.effect === 'splice') {
    const { at: start, removed, inserted } = effect
    const end = start + removed.length
    if (typeof container === 'string') {
      expect(container.slice(start, end) === removed, 'the text that was there')
      const spliced = container.slice(0, start) + String(inserted) + container.slice(end)
      expect(Buffer.from(spliced).toString() === spliced, 'whole characters')
      return spliced
    }
    expect(Array.isArray(container), 'a list')
    expect(isDeepStrictEqual(container.slice(start, end), removed), 'what was there')
    container.splice(start, removed.length, ...(inserted as readonly unknown[]))
    return undefined
  }
  if (effect.effect === 'move') {
    expect(Array.isArray(container), 'a list')
    expect((container[effect.from] as Item | undefined)?.[key(schema)] === name, 'that item')
    expect(effect.to < container.length, 'a place in the list')
    const moved = container.splice(effect.from, 1)
    container.splice(effect.to, 0, ...moved)
    return undefined
  }
  const { from, to, index } = effect
  if (index !== undefined) {
    expect(Array.isArray(container), 'a list')
    if (from === undefined) {
      expect(index <= container.length, 'a place in the list')
      container.splice(index, 0, to)
    } else {
      expect(isDeepStrictEqual(container[index], from), 'the item that was there')
      container.splice(index, 1)
    }
    return undefined
  }
  expect(isMap(container), 'an object')
  expect(isDeepStrictEqual(container[name], from), 'the value that was there')
  if (to === undefined) delete container[name]
  else container[name] = structuredClone(to)
  return undefined
}

/** A write beside one that its author had not seen. */
export interface Conflict {
  readonly pointer: string
  readonly outcome: 'lost' | 'replaced'
  readonly wrote?: unknown
  readonly other?: unknown
  readonly by?: string
  readonly change?: string
  readonly removed?: string
}

/** What a store keeps of an entry; earlier versions kept no conflicts. */
export function kept(text: string): {
  readonly effects: readonly Effect[]
  readonly conflicts: readonly Conflict[] | null
} {
  const read = JSON.parse(text) as
    | readonly Effect[]
    | { readonly effects: readonly Effect[]; readonly conflicts: readonly Conflict[] }
  return 'conflicts' in read ? read : { effects: read, conflicts: null }
}
