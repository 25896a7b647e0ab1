// Guards against values that are stored as something else than what was handed in.

import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { IndelibleError } from './errors.js'
import { JsonError, toJson } from './json.js'

class Point {
  readonly x = 1
}

const cycle: { self?: unknown } = {}
cycle.self = cycle

const failing = {
  get broken(): number {
    throw new Error('no')
  },
}

const holes: unknown[] = [1]
holes[2] = 3

const INEXACT: readonly (readonly [string, unknown, RegExp])[] = [
  ['a promise', Promise.resolve(1), /a Promise: await it first/],
  ['a map', new Map([[1, 2]]), /a Map/],
  ['an object of the language', Math, /a Math/],
  ['a set', new Set([1]), /a Set/],
  ['an instance', new Point(), /a Point/],
  ['an error', new Error('x'), /a Error/],
  ['a regular expression', /x/, /a RegExp/],
  ['bytes', new Uint8Array(2), /a Uint8Array/],
  ['a boxed number', Object(1), /a Number/],
  ['an object with another prototype', Object.create({ inherited: 1 }), /JSON has no word for/],
  ['a function', () => 1, /a function/],
  ['a symbol', Symbol('x'), /a symbol/],
  ['a bigint', 1n, /a bigint/],
  ['NaN', Number.NaN, /NaN is no number/],
  ['Infinity', -1 / 0, /-Infinity is no number/],
  ['a date that is none', new Date('never'), /date is not valid/],
  ['half a pair', 'a\ud83d', /half of a surrogate pair/],
  ['the other half', '\ude00b', /half of a surrogate pair/],
  ['a failing toJSON', { toJSON: () => failing.broken }, /toJSON failed/],
]

test.each(INEXACT)('%s is refused at any depth, with its place', (_, value, reason) => {
  const deep = { a: [0, { 'b/c~': { d: [value] } }] }
  for (const [given, pointer] of [
    [value, ''],
    [{ a: value }, '/a'],
    [[value], '/0'],
    [deep, '/a/1/b~1c~0/d/0'],
    [{ date: { toJSON: () => ({ x: value }) } }, '/date/x'],
  ] as const) {
    let error: unknown
    try {
      toJson(given)
    } catch (caught) {
      error = caught
    }
    expect(error).toBeInstanceOf(JsonError)
    expect(error).toBeInstanceOf(IndelibleError)
    expect(error).toMatchObject({ pointer, code: 'json' })
    expect((error as Error).message).toMatch(reason)
  }
})

test.each([
  ['undefined', undefined, ''],
  ['undefined in an array', { a: [1, undefined] }, '/a/1'],
  ['a hole', { a: holes }, '/a/1'],
  ['a property of an array', { a: Object.assign([1], { more: 2 }) }, '/a/more'],
  ['what a search gives', { found: /b/.exec('abc') }, '/found/index'],
  ['a symbol as a name', { a: { [Symbol('s')]: 1 } }, '/a'],
  ['half a pair in a name', { a: { '\ud800': 1 } }, '/a/\ud800'],
  ['a getter that throws', { a: failing }, '/a/broken'],
  ['a cycle', { a: [cycle] }, '/a/0/self'],
  ['a cycle of arrays', { a: cycleOfArrays() }, '/a/0'],
  ['what lies too deep', nested(128), '/0'.repeat(127)],
])('%s is refused', (_, value, pointer) => {
  expect(() => toJson(value)).toThrow(expect.objectContaining({ name: 'JsonError', pointer }))
})

test('all else is written as everybody writes it', () => {
  const twice = { x: 1 }
  for (const value of [
    null,
    true,
    'a "quoted" \u2028 text 😀',
    [0.1, 1e21, 1e-7, 2 ** 53, -5, Number.MAX_VALUE, Number.MIN_VALUE],
    { a: [{}, [], [twice, twice]], '': { 'ü/~': '' } },
    Object.assign(Object.create(null), { a: 1 }),
    runInNewContext('({ a: [1, { b: 2 }] })'),
    JSON.parse('{"__proto__":{"x":1}}'),
    { when: new Date(0), url: new URL('http://x/') },
    { own: { toJSON: (key: string) => `of ${key}` } },
    nested(127),
  ]) {
    expect(toJson(value)).toBe(JSON.stringify(value))
  }
  expect(toJson({ a: undefined, b: 1 })).toBe('{"b":1}')
  expect(toJson([-0])).toBe('[0]')
})

function nested(depth: number): unknown {
  let value: unknown = []
  for (let level = 1; level < depth; level += 1) value = [value]
  return value
}

function cycleOfArrays(): unknown[] {
  const array: unknown[] = []
  array.push(array)
  return array
}
