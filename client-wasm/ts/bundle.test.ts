/**
 * The golden bundle, checked as `docs/ledger-format.md` says, without any of the code that made it:
 * spelling, hashes, chains, order, tails and sums.
 */

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ENTRY, entry, fields, hex, REFUSAL, sha256, unhex } from './testing/ledger.js'

const text = readFileSync(
  new URL('../../tests/data/vectors/bundle.ndjson', import.meta.url),
  'utf8',
)
const lines = text.split('\n').slice(0, -1)
const NONE = '0'.repeat(64)

interface Line {
  readonly line: string
  readonly entity: string
  readonly hash: string | null
  readonly raw: string
  readonly text: string
  readonly policies: number
  readonly entries: number
  readonly refusals: number
  readonly entities: number
  readonly refusal: string | null
  readonly root: string
  readonly digest: string
}

const parsed = lines.map(line => JSON.parse(line) as Line)
const of = (kind: string) => parsed.filter(({ line }) => line === kind)
const bytes = ({ raw }: Line) => Uint8Array.from(Buffer.from(raw, 'base64'))

describe('the golden bundle', () => {
  it('has one spelling, and its lines in order', () => {
    expect(text.endsWith('\n')).toBe(true)
    for (const [i, line] of lines.entries()) expect(JSON.stringify(parsed[i])).toBe(line)
    const kinds = ['header', 'policy', 'entry', 'refusal', 'tail', 'trailer']
    const order = parsed.map(({ line }) => kinds.indexOf(line))
    expect(order).toEqual([...order].sort((a, b) => a - b))
    expect(parsed[0]).toEqual({
      line: 'header',
      format: 'indelible-bundle',
      version: 1,
      policies: of('policy').length,
    })
    for (const policy of of('policy')) expect(sha256(policy.text)).toBe(policy.hash)
  })

  it('holds every entry in its place', () => {
    const last = new Map<string, string>()
    for (const [i, line] of of('entry').entries()) {
      const record = entry(bytes(line))
      expect(sha256(ENTRY, bytes(line))).toBe(line.hash)
      expect(record.previous_hash).toBe(last.get(line.entity) ?? NONE)
      expect(record.global).toBe(i + 1)
      expect(record.entity).toBe(line.entity)
      expect(of('policy').map(({ hash }) => hash)).toContain(record.policy_hash)
      last.set(line.entity, line.hash as string)
    }
    const refused = new Map<string, string>()
    for (const line of of('refusal')) {
      const record = fields(bytes(line))
      expect(sha256(REFUSAL, bytes(line))).toBe(line.hash)
      expect(hex(record.at(-1) as Uint8Array)).toBe(refused.get(line.entity) ?? NONE)
      refused.set(line.entity, line.hash as string)
    }
    for (const tail of of('tail')) {
      expect(tail.hash).toBe(last.get(tail.entity) ?? null)
      expect(tail.refusal).toBe(refused.get(tail.entity) ?? null)
    }
  })

  it('sums up what it holds', () => {
    const trailer = parsed.at(-1) as Line
    const counts = [trailer.policies, trailer.entries, trailer.refusals, trailer.entities]
    const found = ['policy', 'entry', 'refusal', 'tail'].map(kind => of(kind).length)
    expect(counts).toEqual(found)
    const tails = of('tail').map(({ entity, hash, refusal }) => [
      Buffer.from(`${entity}\0`),
      unhex(hash ?? NONE),
      unhex(refusal ?? NONE),
    ])
    expect(sha256('indelible/root/1\0', ...tails.flat())).toBe(trailer.root)
    const zeroed = (lines.at(-1) as string).replace(trailer.digest, NONE)
    const digest = [...lines.slice(0, -1), zeroed].reduce(
      (sum, line) => sha256('indelible/bundle/1\0', unhex(sum), `${line}\n`),
      NONE,
    )
    expect(digest).toBe(trailer.digest)
  })
})
