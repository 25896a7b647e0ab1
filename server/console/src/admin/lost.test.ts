// Guards against a lost edit that can no longer be read because its author kept typing.
import assert from 'node:assert/strict'
import test from 'node:test'
import type { Dropped } from 'indelible'
import { whyLost } from '../form/violations.ts'
import { en, fr, type Text } from '../text/messages.ts'
import { dismiss, type Lost, NOTHING, readable, tell } from './lost.ts'

function dropped(pointer: string, attempted?: string): Dropped {
  const one = { pointer, reason: 'refused', rule: 'maxLength', operations: 1 } as const
  return attempted === undefined ? one : { ...one, attempted }
}

function pointers(lost: Lost): string[] {
  return readable(lost).map(one => one.pointer)
}

test('what was lost stays until it is dismissed, whatever is edited next', () => {
  const [a, b] = [dropped('/a', 'A'), dropped('/b', 'B')]
  let lost = tell(NOTHING, [a])
  lost = tell(lost, [{ ...a }, b])
  assert.deepEqual(pointers(lost), ['/a', '/b'])
  lost = tell(lost, [])
  assert.deepEqual(pointers(lost), ['/a', '/b'])
  lost = tell(lost, [{ ...a }])
  assert.deepEqual(pointers(lost), ['/a', '/b', '/a'])
  lost = dismiss(lost)
  assert.deepEqual(pointers(lost), [])
  assert.deepEqual(pointers(tell(lost, [{ ...a }])), [], 'the same status says nothing new')
  assert.deepEqual(pointers(tell(lost, [{ ...a }, b])), ['/b'])
  assert.deepEqual(pointers(tell(tell(lost, []), [b])), ['/b'])
})

test('of a new item, its fields are told and not how it was made', () => {
  const made = [dropped('/i/n'), dropped('/i/n/$position', 'V'), dropped('/i/n/name', 'N')]
  assert.deepEqual(pointers(tell(NOTHING, made)), ['/i/n/name'])
  assert.deepEqual(pointers(tell(NOTHING, made.slice(1, 2))), ['/i/n/$position'])
  assert.deepEqual(pointers(tell(NOTHING, [dropped('/i/n')])), ['/i/n'])
})

test('what is gone names who removed it, where that is known', () => {
  const gone: Dropped = { pointer: '/i/n/$position', reason: 'gone', operations: 1 }
  const why = (texts: Readonly<Record<Text, string>>, one: Dropped) =>
    whyLost(one, (text, values) => texts[text].replace('{who}', String(values?.who)))
  const byBob = { ...gone, by: { id: 'bob', name: 'Bob' } }
  assert.equal(why(en, byBob), 'Bob removed what it belonged to')
  assert.equal(why(fr, byBob), 'Bob a retiré ce dont cela faisait partie')
  assert.equal(why(en, { ...gone, by: { id: 'bob' } }), 'bob removed what it belonged to')
  assert.equal(why(en, gone), 'someone else removed what it belonged to')
  const forgotten: Dropped = { ...gone, reason: 'forgotten' }
  assert.equal(why(en, forgotten), 'the server went back to a state before it')
  assert.equal(why(fr, forgotten), 'le serveur est revenu à un état antérieur')
})
