// Guards against messages that name no bound ("too long" than what?), and against reading one out of
// the sentences of the engine.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import { IndelibleError, type JsonValue, PolicyError, type Violation } from 'indelible'
import type { Translate } from '../text/language.tsx'
import { en, fr } from '../text/messages.ts'
import { explain, reasonOf } from './violations.ts'

function speaking(texts: typeof en | typeof fr): Translate {
  return (text, values = {}) =>
    texts[text].replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole))
}

/** The sentences of the engine are no part of it: they may change, and are English. */
function violation(rule: string, bound?: JsonValue): Violation {
  const message = 'the sentence of the engine'
  return {
    change: 0,
    ops: [],
    pointer: '/name',
    rule,
    message,
    ...(bound !== undefined && { bound }),
  }
}

const cases: readonly [rule: string, bound: JsonValue, said: readonly [en: string, fr: string]][] =
  [
    ['maxLength', 20, ['at most 20 characters', 'au plus 20 caractères']],
    ['maxLength', 10, ['at most 10 characters', 'au plus 10 caractères']],
    ['maxLength', 1, ['at most 1 character', 'au plus 1 caractère']],
    ['minLength', 1, ['at least 1 character', 'au moins 1 caractère']],
    ['minLength', 3, ['at least 3 characters', 'au moins 3 caractères']],
    ['minimum', -5, ['at least -5', 'au moins -5']],
    ['maximum', 1.5e30, ['at most 1.5e+30', 'au plus 1,5e+30']],
    ['exclusiveMinimum', 0, ['more than 0', 'plus de 0']],
    ['exclusiveMaximum', 10, ['less than 10', 'moins de 10']],
    ['multipleOf', 0.01, ['a multiple of 0.01', 'un multiple de 0,01']],
    ['enum', ['a', 'b'], ['not one of "a", "b"', 'pas un de "a", "b"']],
    ['enum', [0.5, 2], ['not one of 0.5, 2', 'pas un de 0,5 ; 2']],
    ['const', 1.5, ['must be 1.5', 'doit être 1,5']],
    ['const', 'a', ['must be "a"', 'doit être "a"']],
    ['type', ['integer'], ['must be a whole number', 'doit être un nombre entier']],
    ['type', ['string', 'null'], ['must be a text or empty', 'doit être un texte ou vide']],
    [
      'type',
      { minimum: -9007199254740991, maximum: 9007199254740991 },
      ['kept exactly: from -9007199254740991 to', 'exactement : de -9007199254740991 à'],
    ],
    ['anyOf', 3, [en['rule.anyOf'], fr['rule.anyOf']]],
    ['not', { const: 'a' }, [en['rule.not'], fr['rule.not']]],
    [
      'additionalProperties',
      false,
      [en['rule.additionalProperties'], fr['rule.additionalProperties']],
    ],
    ['minItems', 1, ['at least 1 entry', 'au moins 1 entrée']],
    ['minItems', 2, ['at least 2', 'au moins 2']],
    ['maxItems', 7, ['at most 7', 'au plus 7']],
    ['minProperties', 1, ['at least 1 entry', 'au moins 1 entrée']],
    ['maxProperties', 7, ['at most 7', 'au plus 7']],
    ['contains', 1, ['at least 1 entry of', 'au moins 1 entrée de']],
    ['minContains', 2, ['at least 2 entries of', 'au moins 2 entrées de']],
    ['maxContains', 1, ['at most 1 entry of', 'au plus 1 entrée d’une']],
    ['maxContains', 3, ['at most 3 entries of', 'au plus 3 entrées d’une']],
    ['required', ['street'], ['where "street" is filled in', 'dès que "street" est rempli']],
    ['propertyNames', { maxLength: 5 }, ['at most 5 characters', 'au plus 5 caractères']],
  ]

for (const [rule, bound, said] of cases) {
  test(`${rule} ${JSON.stringify(bound)}`, () => {
    for (const [nth, texts] of [en, fr].entries()) {
      const sentence = explain(violation(rule, bound), speaking(texts))
      assert.ok(sentence.includes(String(said[nth])), sentence)
    }
  })
}

test('a message without a bound is not made to have one', () => {
  const t = speaking(en)
  assert.equal(explain(violation('required'), t), en['rule.required'])
  assert.equal(explain(violation('maxLength'), t), en['rule.maxLength'])
  assert.equal(explain(violation('unheard'), t), 'the sentence of the engine')
})

test('a refusal is told in the language of the page, and what has no words is named', () => {
  const french = speaking(fr)
  for (const code of ['forbidden', 'not-found', 'exists', 'entity-size', 'too-big', 'closed']) {
    const known = fr[`rule.${code}` as keyof typeof fr]
    assert.ok(known)
    assert.equal(reasonOf(new PolicyError([], 'in English', code), french), known)
    assert.equal(reasonOf(new IndelibleError(code, 'in English'), french), known)
  }
  assert.equal(explain(violation('unheard'), french), 'cela n’a pas été accepté (unheard)')
  const error = new IndelibleError('unheard', 'in English')
  assert.equal(reasonOf(error, french), 'cela n’a pas été accepté (unheard)')
  assert.equal(reasonOf(error, speaking(en)), 'in English')
})

test('every rule that a keyword makes is named in both languages', () => {
  const rows = readFileSync('../../engine/src/schema/tests/sentences/rows.rs', 'utf8')
  const rules = [...rows.matchAll(/\brow\(\s*"(\w+)"|\brule: "(\w+)"/g)].map(([, tried, rule]) =>
    String(tried ?? rule),
  )
  assert.ok(rules.length > 30, String(rules.length))
  for (const texts of [en, fr]) {
    for (const rule of rules) {
      assert.notEqual(explain(violation(rule), speaking(texts)), 'the sentence of the engine', rule)
    }
  }
})

test('a pattern is not thrown at people', () => {
  for (const texts of [en, fr]) {
    assert.equal(
      explain(violation('pattern', '^[a-z]{2}$'), speaking(texts)),
      texts['rule.pattern'],
    )
  }
})

test('every format of the engine is named', () => {
  const engine = readFileSync('../../engine/src/policy/format.rs', 'utf8')
  const known = [...engine.matchAll(/\("([\w-]+)", Self::\w+\)/g)].map(([, name]) => String(name))
  assert.ok(known.length > 0)
  for (const texts of [en, fr]) {
    for (const name of known) {
      const ours = texts[`format.${name}` as keyof typeof texts]
      assert.equal(explain(violation('format', name), speaking(texts)), ours)
      assert.ok(ours !== undefined, name)
    }
    assert.equal(explain(violation('format', 'unheard'), speaking(texts)), texts['rule.format'])
  }
})
