// Guards against a lost edit that nobody can read any more because they went on typing.
import assert from 'node:assert/strict'
import test from 'node:test'
import type { Dropped } from 'indelible'
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
