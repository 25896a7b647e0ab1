/**
 * Finds places in a value without its schema, as in value mode.
 *
 * A place that is named by its indices is found there. An item that is named otherwise is the one with
 * that name as its `id`, or else the only one that has it as any string.
 */

import type { Located } from './core.js'
import type { JsonObject, JsonValue } from './types.js'
import { isObject, tokens } from './value.js'

/** Where a pointer points; `null` when it names an item that is not there. */
export function locate(value: JsonValue, pointer: string): Located | null {
  let here: JsonValue | undefined = value
  let path = ''
  for (const token of tokens(pointer)) {
    const step: string | null = Array.isArray(here) ? itemAt(here, token) : token
    if (step === null) return null
    path += `/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`
    here = inside(here, step)
  }
  return { pointer, path, write: false }
}

function inside(value: JsonValue | undefined, step: string): JsonValue | undefined {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
  return (value as { readonly [key: string]: JsonValue })[step]
}

function idOf({ id }: JsonObject): JsonValue | undefined {
  return id
}

function itemAt(items: readonly JsonValue[], token: string): string | null {
  const named = items.findIndex(item => isObject(item) && idOf(item) === token)
  if (named >= 0) return String(named)
  const having = items.flatMap((item, index) =>
    isObject(item) && Object.values(item).includes(token) ? [index] : [],
  )
  if (having.length === 1) return String(having[0])
  return /^\d+$/.test(token) && Number(token) < items.length ? token : null
}
