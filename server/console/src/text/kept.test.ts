// Guards against pages that stay blank in browsers that keep nothing for them.

import assert from 'node:assert/strict'
import test, { afterEach } from 'node:test'
import { keep, recall } from './kept.ts'

afterEach(() => Reflect.deleteProperty(globalThis, 'sessionStorage'))

test('a browser that keeps nothing spoils nothing', () => {
  Object.defineProperty(globalThis, 'sessionStorage', {
    configurable: true,
    get: () => {
      throw new DOMException('denied', 'SecurityError')
    },
  })
  keep('sessionStorage', 'a', 'b')
  keep('sessionStorage', 'a', null)
  assert.equal(recall('sessionStorage', 'a'), null)
})

test('what is kept is there, until it is forgotten', () => {
  const held = new Map<string, string>()
  Object.defineProperty(globalThis, 'sessionStorage', {
    configurable: true,
    value: {
      getItem: (key: string) => held.get(key) ?? null,
      setItem: (key: string, text: string) => held.set(key, text),
      removeItem: (key: string) => held.delete(key),
    },
  })
  keep('sessionStorage', 'a', 'b')
  assert.equal(recall('sessionStorage', 'a'), 'b')
  keep('sessionStorage', 'a', null)
  assert.equal(recall('sessionStorage', 'a'), null)
})
