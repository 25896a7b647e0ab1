// Guards against messages that name no bound: "too long" than what? The sentences are the engine's.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import type { Violation } from 'indelible'
import type { Translate } from '../text/language.tsx'
import { en, fr } from '../text/messages.ts'
import { explain } from './violations.ts'

function speaking(texts: typeof en | typeof fr): Translate {
  return (text, values = {}) =>
    texts[text].replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole))
}

function violation(rule: string, message: string): Violation {
  return { change: 0, ops: [], pointer: '/name', rule, message }
}

const cases: readonly [rule: string, message: string, bound: string][] = [
  ['maxLength', 'name must have at most 20 characters', '20'],
  ['maxLength', 'name must have at most 1 character', '1'],
  ['minLength', 'name must not be empty', '1 '],
  ['minItems', 'tags must not be empty', '1 '],
  ['minProperties', 'tags must not be empty', '1 '],
  ['minLength', 'must have 3 characters or more', '3'],
  ['minimum', '/a/b must be -5 or more', '-5'],
  ['maximum', 'price2 must be 1.5e+30 or less', '1.5e+30'],
  ['exclusiveMinimum', 'name must be more than 0', '0'],
  ['exclusiveMaximum', 'name must be less than 10', '10'],
  ['multipleOf', 'name must be a multiple of 0.01', '0.01'],
  ['enum', 'name must be one of "a", "b"', '"a", "b"'],
  ['maxItems', 'tags must have at most 7 items', '7'],
  ['minItems', 'tags must have 2 items or more', '2'],
  ['maxProperties', 'tags must have at most 7 properties', '7'],
]

for (const [rule, message, bound] of cases) {
  test(`${rule}: ${message}`, () => {
    for (const texts of [en, fr]) {
      const said = explain(violation(rule, message), speaking(texts))
      assert.ok(said.includes(bound), said)
    }
  })
}

test('a message without a bound is not made to have one', () => {
  const t = speaking(en)
  const said = (rule: string, message: string) => explain(violation(rule, message), t)
  assert.equal(said('required', 'name is required'), en['rule.required'])
  assert.equal(said('not', 'name must not be like this'), 'name must not be like this')
})

test('one character is not told of as several', () => {
  const said = explain(violation('maxLength', 'name must have at most 1 character'), speaking(fr))
  assert.match(said, /1 caractère$/)
})

test('what is too long for ten characters is not told of one', () => {
  const said = explain(violation('maxLength', 'name must have at most 10 characters'), speaking(en))
  assert.match(said, /10 characters$/)
})

test('a pattern is not thrown at people', () => {
  const refused = violation('pattern', 'name must match the pattern ^[a-z]{2}$')
  for (const texts of [en, fr]) {
    assert.equal(explain(refused, speaking(texts)), texts['rule.pattern'])
  }
})

test('every format of the engine is named', () => {
  const engine = readFileSync('../../engine/src/policy/format.rs', 'utf8')
  const described = [...engine.matchAll(/Self::\w+ => "(an? [^"]+)"/g)].map(([, text]) => text)
  const known = [...engine.matchAll(/\("([\w-]+)", Self::\w+\)/g)].map(([, name]) => name)
  assert.ok(known.length > 0 && described.length === known.length, String(known))
  for (const texts of [en, fr]) {
    const said = described.map(text =>
      explain(violation('format', `name must be ${text}`), speaking(texts)),
    )
    const ours = known.map(name => texts[`format.${name}` as keyof typeof texts])
    assert.deepEqual(said, ours)
  }
})
