// Guards against patches that tear a value, and against snapshots that change under a reader.

import { expect, test } from 'vitest'
import { IndelibleError } from './errors.js'
import type { JsonValue, Patch } from './types.js'
import { applyPatches, freeze, share } from './value.js'

const value = freeze({
  name: 'Acme',
  'a/b~c': 1,
  address: { city: 'Lyon', zip: '69001' },
  links: [{ id: 'x', url: 'x.example' }, { id: 'y' }],
}) as JsonValue

const cases: readonly [string, readonly Patch[], JsonValue | null][] = [
  ['replace', [{ op: 'replace', path: '/address/city', value: 'Nice' }], 'Nice'],
  ['escaped', [{ op: 'replace', path: '/a~1b~0c', value: 2 }], 2],
]

test.each(cases)('%s', (_name, patches, expected) => {
  expect(Object.values(flat(applyPatches(value, patches)))).toContain(expected)
})

function flat(tree: JsonValue, path = ''): Record<string, JsonValue> {
  if (typeof tree !== 'object' || tree === null) return { [path]: tree }
  return Object.assign(
    {},
    ...Object.entries(tree).map(([key, child]) => flat(child as JsonValue, `${path}/${key}`)),
  ) as Record<string, JsonValue>
}

test('arrays: add, append, remove, move, copy', () => {
  const after = applyPatches(freeze([1, 2, 3]), [
    { op: 'add', path: '/0', value: 0 },
    { op: 'add', path: '/-', value: 4 },
    { op: 'remove', path: '/1' },
    { op: 'move', from: '/0', path: '/3' },
    { op: 'copy', from: '/3', path: '/0' },
  ])
  expect(after).toEqual([0, 2, 3, 4, 0])
})

test('only the way to a change is copied, and everything is frozen', () => {
  const after = applyPatches(value, [{ op: 'add', path: '/links/1/url', value: 'y.example' }])
  const [a, b] = [value, after] as unknown as [
    { address: object; links: object[] },
    { address: object; links: object[] },
  ]
  expect(b.address).toBe(a.address)
  expect(b.links[0]).toBe(a.links[0])
  expect(b.links[1]).not.toBe(a.links[1])
  expect(a.links[1]).toEqual({ id: 'y' })
  for (const part of [b, b.links, b.links[1]]) expect(Object.isFrozen(part)).toBe(true)
})

test('a container is copied once, however many patches change it', () => {
  const list = freeze(Array.from({ length: 5_000 }, (_, index) => index))
  let copies = 0
  const slice = Array.prototype.slice
  Array.prototype.slice = function (this: unknown[], ...range) {
    if (this.length > 4_000) copies += 1
    return slice.apply(this, range)
  }
  try {
    const patches = Array.from(list, () => ({ op: 'remove', path: '/0' }) as const)
    const after = applyPatches(list, [...patches, { op: 'add', path: '/-', value: 1 }])
    expect([after, copies]).toEqual([[1], 1])
  } finally {
    Array.prototype.slice = slice
  }
  expect(list.length).toBe(5_000)
})

test('what was copied from one place to another is changed in one of them', () => {
  const after = applyPatches(value, [
    { op: 'replace', path: '/address/city', value: 'Nice' },
    { op: 'copy', from: '/address', path: '/branch' },
    { op: 'replace', path: '/branch/city', value: 'Metz' },
  ])
  expect(after).toMatchObject({ address: { city: 'Nice' }, branch: { city: 'Metz' } })
})

test.each<Patch>([
  { op: 'replace', path: '/nothing', value: 1 },
  { op: 'remove', path: '/nothing' },
  { op: 'remove', path: '' },
  { op: 'add', path: '/links/3', value: 1 },
  { op: 'replace', path: '/links/-', value: 1 },
  { op: 'replace', path: '/links/01', value: 1 },
  { op: 'add', path: '/name/x', value: 1 },
  { op: 'add', path: 'name', value: 1 },
  { op: 'test', path: '/name', value: 'Other' },
  { op: 'replace', path: '/toString', value: 1 },
])('%j does not fit', patch => {
  expect(() => applyPatches(value, [patch])).toThrow(IndelibleError)
})

test('a name that means something to JavaScript is a name like any other', () => {
  const after = applyPatches(freeze({}), [
    { op: 'add', path: '/__proto__', value: { polluted: true } },
  ])
  expect(Object.keys(after as object)).toEqual(['__proto__'])
  expect((after as { polluted?: boolean }).polluted).toBeUndefined()
  const shared = share(after, JSON.parse('{"__proto__":{"polluted":false}}') as JsonValue)
  expect(JSON.stringify(shared)).toBe('{"__proto__":{"polluted":false}}')
})

test('a value that came again keeps its identity, in whole and in parts', () => {
  expect(share(value, JSON.parse(JSON.stringify(value)) as JsonValue)).toBe(value)
  const next = JSON.parse(JSON.stringify(value)) as { name: string; links: unknown[] }
  next.name = 'Other'
  next.links.pop()
  const shared = share(value, next as unknown as JsonValue) as unknown as typeof next
  const before = value as unknown as typeof next & { address: object }
  expect(shared).toEqual(next)
  expect((shared as typeof before).address).toBe(before.address)
  expect(shared.links[0]).toBe(before.links[0])
  expect(shared.links).toHaveLength(1)
})
