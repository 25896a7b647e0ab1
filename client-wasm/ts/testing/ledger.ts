/**
 * A reader of ledger records that shares nothing with the one in Rust: `docs/ledger-format.md`
 * and `docs/storage-format.md`, read independently, with other libraries.
 */

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { decode, encode } from 'cborg'

/** Domains that keep the hash of one sort of record from being that of another. */
export const ENTRY = 'indelible/entry/1\0'
export const REFUSAL = 'indelible/refusal/1\0'

/** Genesis, changes, deleted, undeleted, epoch, policy. */
const KINDS = [0, 1, 2, 3, 4, 5]

/** A file of golden vectors. */
export function vectors<T>(name: string): T {
  const url = new URL(`../../../tests/data/vectors/${name}`, import.meta.url)
  return JSON.parse(readFileSync(url, 'utf8')) as T
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

export function unhex(digits: string): Uint8Array {
  return Uint8Array.from(Buffer.from(digits, 'hex'))
}

export function sha256(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

/** The fields of a record, in order; throws unless the bytes are the one encoding of them. */
export function fields(bytes: Uint8Array): unknown[] {
  const record: unknown = decode(bytes, { strict: true, allowIndefinite: false })
  if (!Array.isArray(record)) throw new Error('a record is an array')
  if (hex(encode(record)) !== hex(bytes)) throw new Error('not the one encoding')
  return record
}

type Optional<T> = T | null

function optionalHex(value: unknown): Optional<string> {
  return value === null ? null : hex(value as Uint8Array)
}

function principal(value: unknown): object {
  const [id, name, roles] = value as [string, Optional<string>, string[]]
  return { id, ...(name === null ? {} : { name }), roles }
}

/** An entry as the vectors describe it. */
export function entry(bytes: Uint8Array) {
  const [version, kind, entity, epoch, seq, global, proposal, author, session, ...rest] =
    fields(bytes)
  const [at, policy, changes, heads, claimed, previous] = rest
  if (version !== 1 || rest.length !== 6) throw new Error('not an entry of version 1')
  if (!KINDS.includes(kind as number)) throw new Error('not a kind of entry')
  const order = (heads as Uint8Array[]).map(hex)
  if (order.some((head, i) => i > 0 && head <= (order[i - 1] as string))) {
    throw new Error('heads out of order')
  }
  const claims = claimed as Optional<[Optional<number>, Optional<string>]>
  return {
    kind,
    entity,
    epoch,
    seq,
    global,
    proposal: optionalHex(proposal),
    author: principal(author),
    session: optionalHex(session),
    at,
    policy_hash: hex(policy as Uint8Array),
    changes: (changes as Uint8Array[]).map(hex),
    heads: order,
    claimed: claims && { created_at: claims[0], created_by: claims[1] },
    previous_hash: hex(previous as Uint8Array),
  }
}
