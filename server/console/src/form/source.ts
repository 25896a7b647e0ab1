/**
 * What a form edits: an entity that exists, or one that is being filled in.
 *
 * This is the only way from fields to a value. A field holds no value of its own, except one that the
 * policy does not accept yet.
 */

import type { Conflict, Entity } from 'indelible'
import { createContext, useContext } from 'react'
import type { JsonObject } from './path.ts'
import type { Schema, Viewer } from './schema.ts'

export interface Source {
  /** For labels: the kind. */
  readonly kind: string
  readonly root: Schema
  readonly value: JsonObject
  /** Whether the object is still to be made, so that fields written only then are open. */
  readonly isNew: boolean
  readonly viewer: Viewer
  /** What is wrong with fields that were sent as a whole, by pointer. */
  readonly problems?: ReadonlyMap<string, string>
  /** The entity whose texts can be typed into beside others; a new object has none. */
  readonly entity?: Entity
  /** Values of ours that lost against concurrent ones. */
  readonly conflicts?: readonly Conflict[]
  /** Throws `PolicyError` when the policy forbids the edit; then nothing has changed. */
  change(edit: (draft: JsonObject) => void): void
}

const Context = createContext<Source | null>(null)
export const SourceProvider = Context.Provider

export function useSource(): Source {
  const source = useContext(Context)
  if (source === null) throw new Error('useSource needs a SourceProvider above it')
  return source
}

/** A form over a living entity. */
export function entitySource(entity: Entity, value: object, root: Schema, viewer: Viewer): Source {
  return {
    kind: entity.kind,
    root,
    value: value as JsonObject,
    isNew: false,
    viewer,
    entity,
    conflicts: entity.conflicts,
    change: edit => {
      entity.change(draft => edit(draft as JsonObject))
    },
  }
}

/** A form over an object that is not sent before it is complete. */
export function draftSource(
  base: Pick<Source, 'kind' | 'root' | 'viewer'>,
  value: JsonObject,
  set: (value: JsonObject) => void,
): Source {
  return {
    ...base,
    value,
    isNew: true,
    change: edit => {
      const next = structuredClone(value)
      edit(next)
      set(next)
    },
  }
}
