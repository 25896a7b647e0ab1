// Guards against a caret that jumps, and against cutting an emoji in two, while others type.
import assert from 'node:assert/strict'
import test from 'node:test'
import { applySplice, mapOffset, rebase, spliceBetween } from './splice.ts'

test('the smallest splice turns one text into the other', () => {
  for (const [from, to] of [
    ['', 'a'],
    ['a', ''],
    ['hello world', 'hello brave world'],
    ['aaa', 'aa'],
    ['abcdef', 'abXYef'],
  ] as const) {
    const splice = spliceBetween(from, to)
    assert.ok(splice)
    assert.equal(applySplice(from, splice), to)
  }
  assert.equal(spliceBetween('same', 'same'), null)
})

test('a splice keeps surrogate pairs whole', () => {
  // U+1F600 and U+1F601 share their high surrogate; U+1F600 and U+1FA00 share neither unit’s pair.
  const splice = spliceBetween('a😀b', 'a😁b')
  assert.deepEqual(splice, { at: 1, removed: 2, inserted: '😁' })
  const low = spliceBetween('x\u{1F600}', 'x\u{1F200}\u{1F600}')
  assert.ok(low)
  assert.equal(applySplice('x\u{1F600}', low), 'x\u{1F200}\u{1F600}')
  assert.ok(!/[\ud800-\udbff]$/.test(low.inserted))
})

test('a caret stays with the characters around it', () => {
  const insertBefore = { at: 0, removed: 0, inserted: 'abc' }
  assert.equal(mapOffset(5, insertBefore), 8)
  assert.equal(mapOffset(5, { at: 9, removed: 1, inserted: '' }), 5)
  assert.equal(mapOffset(5, { at: 3, removed: 4, inserted: '' }), 3)
  assert.equal(mapOffset(5, { at: 5, removed: 0, inserted: 'zz' }), 5)
})

test('a local edit lands on the text that changed under it', () => {
  const base = 'one three'
  const local = { at: 9, removed: 0, inserted: '!' }
  const remote = { at: 4, removed: 0, inserted: 'two ' }
  assert.equal(applySplice(applySplice(base, remote), rebase(local, remote)), 'one two three!')
})
