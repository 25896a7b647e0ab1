// Guards against arguments of the right type that say nothing that can be done, and of which something
// else is made. Those of a wrong type are in `methods.test.ts`.

import { afterEach, beforeEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { Core } from './core.js'
import { IndelibleClient, type TextElement } from './index.js'
import { TestServer } from './testing/server.js'
import { Box } from './testing/typing.js'
import type { Splice } from './text.js'
import type { Dropped } from './types.js'

interface Member {
  name: string
  bio?: string
}

let server: TestServer
let client: IndelibleClient

beforeEach(async () => {
  server = await TestServer.start()
  client = new IndelibleClient({ url: server.url, WebSocket, token: 'good' })
})

afterEach(async () => {
  client.close()
  await server.stop()
})

test('a splice is a place, a length and a text, and nothing else is made of it', async () => {
  const entity = client.entity<Member>('team/jane')
  await entity.ready()
  const { value } = entity
  for (const [given, code, says] of [
    [{ index: '0' }, 'argument', 'index of a splice must be a whole number, not string'],
    [{ index: null }, 'argument', 'index of a splice must be a whole number, not null'],
    [{ index: undefined }, 'argument', 'index of a splice must be a whole number, not undefined'],
    [{ index: 0n }, 'argument', 'index of a splice must be a whole number, not bigint'],
    [{ remove: [0] }, 'argument', 'remove of a splice must be a whole number, not an array'],
    [{ remove: 0.5 }, 'argument', 'remove of a splice must be a whole number, not 0.5'],
    [{ remove: Number.NaN }, 'argument', 'remove of a splice must be a whole number, not NaN'],
    [{ index: Infinity }, 'argument', 'index of a splice must be a whole number, not Infinity'],
    [{ index: -1 }, 'document', 'index is -1: the splice is not inside the text at /bio'],
    [{ remove: 2 ** 32 }, 'document', 'remove is 4294967296: the splice is not inside'],
    [{ insert: 5 }, 'json', '/bio: what is inserted in a text must be a string'],
    [{ insert: undefined }, 'json', '/bio: what is inserted in a text must be a string'],
    [{ insert: '\ud800' }, 'json', '/bio: the text has half of a surrogate pair'],
    [{ length: 1 }, 'argument', 'a splice has no property "length": it has index, remove, insert'],
  ] as const) {
    const splice = { index: 0, remove: 0, insert: 'x', ...given } as unknown as Splice
    const refused = expect.objectContaining({ code, message: expect.stringContaining(says) })
    expect(() => entity.splice('/bio', splice), says).toThrow(refused)
  }
  for (const attempted of [Number.NaN, new Map(), '\ud800']) {
    const dropped = { pointer: '/name', reason: 'gone', attempted, operations: 1 }
    expect(() => entity.bringBack(dropped as unknown as Dropped)).toThrow(
      expect.objectContaining({ name: 'JsonError', pointer: '/attempted' }),
    )
  }
  const lost = { pointer: '/name', reason: 'gone', operations: 1 }
  for (const [given, says] of [
    [{}, 'a pointer must be a string, not undefined'],
    [{ ...lost, pointer: 1 }, 'a pointer must be a string, not number'],
    [{ ...lost, pointer: 'name' }, '"name" is no pointer'],
    [{ ...lost, reason: 5 }, 'reason of what is brought back must be a string, not number'],
    [{ ...lost, rule: 5 }, 'rule of what is brought back must be a string, not number'],
    [{ ...lost, operations: 'a' }, 'operations of what is brought back must be a number'],
  ] as const) {
    const refused = expect.objectContaining({ message: expect.stringContaining(says) })
    expect(() => entity.bringBack(given as unknown as Dropped), says).toThrow(refused)
  }
  expect(entity.value).toBe(value)
})

/** What the core says to the name of an entity; `null`: it takes it. */
function sentenceOfCore(core: Core, name: string): string | null {
  try {
    core.open(name)
    core.close(name)
    return null
  } catch (error) {
    return (error as Error).message
  }
}

test('names are refused at the call, in the words of the core', async () => {
  await client.entity('team/jane').ready()
  const core = Core.start('full', 'test')
  const ids = ['jane', 'J.a_n~e-1', '1', 'x'.repeat(64), 'x'.repeat(65), '', '.', '..', '../x']
  ids.push('-a', '_a', 'a b', 'ä', 'a/b', 'a/', 'a\n', 'a%20', '"', 'x'.repeat(200), '😀')
  const kinds = ['team', 'a', 'a-1', 'k'.repeat(32), 'k'.repeat(33), '', 'Team', '1a', '-a', 'a_b']
  kinds.push('a.b', ' team', 'team ', 'tëam', 'team\n')
  const names = [...kinds, ...ids.map(id => `team/${id}`), ...kinds.map(kind => `${kind}/x`)]
  let taken = 0
  for (const name of names) {
    const message = sentenceOfCore(core, name)
    if (message === null) {
      expect(client.entity(name).name, name).toBe(name)
      taken += 1
      continue
    }
    const refused = expect.objectContaining({ code: 'name', message })
    expect(() => client.entity(name), name).toThrow(refused)
    await expect(client.delete(name), name).rejects.toEqual(refused)
    await expect(client.undelete(name), name).rejects.toEqual(refused)
    const [kind = '', ...rest] = name.split('/')
    if (rest.length === 0) expect(() => client.collection(name), name).toThrow(refused)
    const id = rest.join('/')
    const creation = rest.length === 0 ? undefined : { id }
    await expect(client.create(kind, {}, creation), name).rejects.toEqual(refused)
    if (kind !== 'team' || rest.length === 0) continue
    expect(() => client.collection('team').get(id), name).toThrow(refused)
  }
  expect(taken).toBe(12)
  // A name is not a kind.
  const refused = expect.objectContaining({ code: 'name' })
  expect(() => client.collection('team/jane')).toThrow(refused)
  await expect(client.create('team/joe', {})).rejects.toEqual(refused)
  core.free()
})

test('what is bound is a text box, at a pointer', async () => {
  const entity = client.entity<Member>('team/jane')
  await entity.ready()
  const wrong: readonly [unknown, string][] = [
    [null, 'not null'],
    [undefined, 'not undefined'],
    ['#bio', 'not string'],
    [{}, 'not object'],
    [{ tagName: 'DIV', addEventListener: () => undefined }, 'not <div>'],
    [{ tagName: 'SELECT', value: 'x', addEventListener: () => undefined }, 'not <select>'],
  ]
  for (const [element, says] of wrong) {
    expect(() => entity.bindText('/bio', element as TextElement)).toThrow(
      expect.objectContaining({ code: 'argument', message: expect.stringContaining(says) }),
    )
  }
  for (const pointer of ['bio', '/a~2', '/a~']) {
    const named = { code: 'name', message: expect.stringContaining(JSON.stringify(pointer)) }
    const refused = expect.objectContaining(named)
    expect(() => entity.bindText(pointer, new Box().element)).toThrow(refused)
    expect(() => entity.splice(pointer, { index: 0, remove: 0, insert: 'x' })).toThrow(refused)
  }
})
