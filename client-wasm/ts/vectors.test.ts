/**
 * The golden vectors, read without any of the code that made them: records with a CBOR library and
 * `node:crypto`, changes and documents with the stock Automerge of the npm registry, policy hashes
 * with a JSON canonicaliser. What agrees here can be checked by anybody.
 */

import * as Automerge from '@automerge/automerge'
import canonicalize from 'canonicalize'
import { describe, expect, it } from 'vitest'
import {
  applied,
  type Conflict,
  type Effect,
  inverse,
  kept,
  type Schema as Shape,
} from './testing/effects.js'
import { type Schema as Declared, genesis } from './testing/genesis.js'
import { ENTRY, entry, fields, hex, REFUSAL, sha256, unhex, vectors } from './testing/ledger.js'
import { present, type Schema } from './testing/present.js'

interface Sealed {
  readonly encoding: string
  readonly hash: string
}

describe('entries', () => {
  const file = vectors<{
    log: (Sealed & { entry: object })[]
    refused: { name: string; encoding: string; error: string }[]
  }>('entries.json')

  it('hold what they are said to hold', () => {
    for (const vector of file.log) expect(entry(unhex(vector.encoding))).toEqual(vector.entry)
  })

  it('hash to their hash and chain to each other', () => {
    let previous = '0'.repeat(64)
    for (const { encoding, hash } of file.log) {
      expect(entry(unhex(encoding)).previous_hash).toBe(previous)
      expect(sha256(ENTRY, unhex(encoding))).toBe(hash)
      previous = hash
    }
  })

  it('have one encoding', () => {
    expect(file.refused.length).toBeGreaterThan(0)
    for (const { name, encoding } of file.refused) {
      expect(() => entry(unhex(encoding)), name).toThrow()
    }
  })
})

describe('refusals', () => {
  const file = vectors<(Sealed & { record: { entity: string; number: number } })[]>('refusals.json')

  it('hash to their hash and chain to each other', () => {
    let previous = '0'.repeat(64)
    for (const { encoding, hash, record } of file) {
      const read = fields(unhex(encoding))
      expect(read[1]).toBe(record.entity)
      expect(read[2]).toBe(record.number)
      expect(hex(read.at(-1) as Uint8Array)).toBe(previous)
      expect(sha256(REFUSAL, unhex(encoding))).toBe(hash)
      previous = hash
    }
  })
})

describe('changes', () => {
  interface Taken {
    readonly actor: string
    readonly deps: string[]
    readonly hash: string
    readonly max_op: number
    readonly message: string | null
    readonly seq: number
    readonly start_op: number
  }
  const file =
    vectors<{ name: string; bytes: string; verdict: { taken?: Taken; refused?: string } }[]>(
      'changes.json',
    )

  it('that are taken say the same to stock Automerge', () => {
    const taken = file.filter(vector => vector.verdict.taken)
    expect(taken.length).toBeGreaterThan(2)
    for (const { name, bytes, verdict } of taken) {
      const change = Automerge.decodeChange(unhex(bytes))
      const { max_op, start_op, ...rest } = verdict.taken as Taken
      const { actor, deps, hash, message, seq, startOp, ops } = change
      expect({ actor, deps, hash, message, seq }, name).toEqual(rest)
      expect([startOp, startOp + ops.length - 1], name).toEqual([start_op, max_op])
    }
  })
})

describe('an entity', () => {
  const file = vectors<{
    schema: object
    policy: string
    genesis: string
    creation: string
    genesis_hash: string
    creation_hash: string
    stored: Stored
  }>('entities.json')

  it('is named after the canonical text of its schema', () => {
    expect(sha256(canonicalize(file.schema) as string)).toBe(file.policy)
  })

  it('lies in the document as described, to stock Automerge', () => {
    let doc: Automerge.Doc<Record<string, unknown>> = Automerge.init()
    doc = Automerge.applyChanges(doc, [unhex(file.genesis)])[0]
    expect(Automerge.getHeads(doc)).toEqual([file.genesis_hash])
    doc = Automerge.applyChanges(doc, [unhex(file.creation)])[0]
    expect(Automerge.getHeads(doc)).toEqual([file.creation_hash])
    expect(stored(doc)).toEqual(file.stored)
  })
})

describe('verdicts', () => {
  interface Told {
    readonly name: string
    readonly changes: string[]
    readonly verdict: { admitted: { changes: number } | null; refused: object | null }
    readonly heads: string[]
    readonly value: object
  }
  const file = vectors<{ schema: Schema; policy: string; genesis: string; proposals: Told[] }>(
    'verdicts.json',
  )

  it('leave what stock Automerge makes of the admitted changes alone', () => {
    let doc: Automerge.Doc<Record<string, unknown>> = Automerge.init()
    doc = Automerge.applyChanges(doc, [unhex(file.genesis)])[0]
    expect(file.proposals.some(told => told.verdict.refused)).toBe(true)
    for (const { name, changes, verdict, heads, value } of file.proposals) {
      const admitted = changes.slice(0, verdict.admitted?.changes ?? 0).map(unhex)
      doc = Automerge.applyChanges(doc, admitted)[0]
      expect(Automerge.getHeads(doc), name).toEqual(heads)
      expect(present(file.schema, doc), name).toEqual(value)
    }
  })

  it('name the policy by its canonical text', () => {
    expect(sha256(canonicalize(file.schema) as string)).toBe(file.policy)
  })
})

describe('schemas', () => {
  const file = vectors<{
    good: {
      name: string
      text: string
      policy: string
      entity: string
      epoch: number
      genesis: string
      genesis_hash: string
    }[]
    mistaken: { name: string; text: string; places: string[] }[]
  }>('schemas.json')

  it('name their policy by their canonical text', () => {
    expect(file.good.length).toBeGreaterThan(0)
    for (const { name, text, policy } of file.good) {
      expect(sha256(canonicalize(JSON.parse(text)) as string), name).toBe(policy)
    }
  })

  it('make the same genesis in stock Automerge', () => {
    for (const vector of file.good) {
      const schema = JSON.parse(vector.text) as Declared
      const { name, entity, epoch, policy } = vector
      expect(genesis(schema, entity, epoch, policy), name).toBe(vector.genesis_hash)
      const { hash, actor, time } = Automerge.decodeChange(unhex(vector.genesis))
      const wanted = { hash: vector.genesis_hash, actor: '00'.repeat(16), time: 0 }
      expect({ hash, actor, time }, name).toEqual(wanted)
    }
  })

  it('with mistakes have them at places that are there', () => {
    expect(file.mistaken.length).toBeGreaterThan(0)
    for (const { name, text, places } of file.mistaken) {
      expect(places.length, name).toBeGreaterThan(0)
      if (name === 'no JSON') expect(() => JSON.parse(text)).toThrow()
      else for (const place of places) expect(lies(JSON.parse(text), place), name).toBeDefined()
    }
  })
})

describe('effects', () => {
  const file = vectors<{
    schema: Shape
    steps: { name: string; before: object; effects: Effect[]; after: object }[]
    misfits: { name: string; value: object; effect: Effect }[]
    kept: { name: string; text: string; effects: Effect[]; conflicts: Conflict[] | null }[]
  }>('effects.json')

  it('lead from the value before to the value after', () => {
    expect(file.steps.length).toBeGreaterThan(0)
    for (const { name, before, effects, after } of file.steps) {
      const done = effects.reduce((value, effect) => applied(file.schema, value, effect), before)
      expect(done, name).toEqual(after)
    }
  })

  it('are read with the conflicts that a store keeps beside them', () => {
    expect(file.kept.length).toBeGreaterThan(0)
    for (const { name, text, effects, conflicts } of file.kept) {
      expect(kept(text), name).toEqual({ effects, conflicts })
    }
  })

  it('lead back', () => {
    for (const { name, before, effects, after } of file.steps) {
      const back = effects.map(inverse).reverse()
      const undone = back.reduce((value, effect) => applied(file.schema, value, effect), after)
      expect(undone, name).toEqual(before)
    }
  })

  it('are not forced on a value that they do not fit', () => {
    expect(file.misfits.length).toBeGreaterThan(0)
    for (const { name, value, effect } of file.misfits) {
      expect(() => applied(file.schema, value, effect), name).toThrow('does not fit')
    }
  })

  it('of admitted changes lead from value to value', () => {
    interface Told {
      readonly name: string
      readonly verdict: { admitted: { effects: Effect[] } | null }
      readonly value: object
    }
    const story = vectors<{ schema: Shape; proposals: Told[] }>('verdicts.json')
    // A counter is there from the genesis on.
    let value: object = { hits: 0 }
    for (const { name, verdict, value: after } of story.proposals) {
      const effects = verdict.admitted?.effects ?? []
      value = effects.reduce((before, effect) => applied(story.schema, before, effect), value)
      expect(value, name).toEqual(after)
    }
  })
})

/** What lies at a JSON Pointer. */
function lies(value: unknown, pointer: string): unknown {
  const tokens = pointer.split('/').slice(1)
  const names = tokens.map(token => token.replaceAll('~1', '/').replaceAll('~0', '~'))
  return names.reduce((inner, name) => (inner as { [name: string]: unknown })?.[name], value)
}

type Stored = { readonly [sort: string]: unknown }

/** What lies in a map of a document, by sort. */
function stored(map: object): Stored {
  return Object.fromEntries(Object.entries(map).map(([name, value]) => [name, sort(value)]))
}

function sort(value: unknown): Stored {
  if (typeof value === 'string') return { text: value }
  if (value instanceof Automerge.ImmutableString) return { str: value.val }
  if (value instanceof Automerge.Counter) return { counter: value.value }
  if (typeof value === 'number') return { [Number.isInteger(value) ? 'int' : 'f64']: value }
  if (Array.isArray(value)) return { list: value.map(sort) }
  return { map: stored(value as object) }
}
