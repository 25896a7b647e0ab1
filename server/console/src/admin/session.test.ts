// Guards against raw words of the browser or of HTTP where a sentence should say what is wrong.

import assert from 'node:assert/strict'
import test, { afterEach, mock } from 'node:test'
import { SignInError, tokenFor } from './session.ts'

afterEach(() => mock.restoreAll())

const PROBLEM = { 'content-type': 'application/problem+json' }

const cases: readonly [what: string, answer: () => Response, text: string, code: string][] = [
  [
    'names are hidden under another address',
    () => new Response('{"code":"not-found"}', { status: 404, headers: PROBLEM }),
    'sign-in.elsewhere',
    '404 not-found',
  ],
  [
    'the name is not to the server’s liking',
    () => new Response('{"code":"bad-request"}', { status: 400, headers: PROBLEM }),
    'sign-in.refused',
    '400 bad-request',
  ],
  [
    'a proxy answers by itself',
    () => new Response('<html>', { status: 502 }),
    'trouble.not-indelible',
    '502',
  ],
  [
    'something else says that all is well',
    () => new Response('null'),
    'trouble.not-indelible',
    '200',
  ],
  [
    'nothing answers',
    () => {
      throw new TypeError('Failed to fetch')
    },
    'trouble.unreachable',
    'unreachable',
  ],
]

for (const [what, answer, text, code] of cases) {
  test(`no token: ${what}`, async () => {
    mock.method(globalThis, 'fetch', async () => answer())
    await assert.rejects(tokenFor('Ada', 'editor'), error => {
      assert.ok(error instanceof SignInError)
      assert.deepEqual([error.text, error.code], [text, code])
      return true
    })
  })
}

test('a token that is given is taken', async () => {
  mock.method(globalThis, 'fetch', async () => new Response('{"token":"a.b.c","id":"dev:ada"}'))
  assert.equal(await tokenFor('Ada', 'editor'), 'a.b.c')
})
