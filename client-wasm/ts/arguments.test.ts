// Guards against a core that dies, with every edit in it, of an argument that TypeScript would not
// have let through; and against one that makes something else of it.

import { afterEach, beforeEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { IndelibleClient, type TextElement } from './index.js'
import { TestServer } from './testing/server.js'
import { Box } from './testing/typing.js'
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

const JUNK: readonly unknown[] = [
  5,
  1n,
  null,
  undefined,
  {},
  [],
  true,
  new Date(0),
  Promise.resolve(),
]

test('names and pointers that are no strings are refused, and unsaved edits stay', async () => {
  const entity = client.entity<Member>('team/jane')
  await entity.ready()
  server.deaf = true
  entity.merge({ name: 'Unsaved' })
  for (const junk of JUNK) {
    const name = junk as string
    const refused = expect.objectContaining({ code: 'name' })
    expect(() => client.entity(name)).toThrow(refused)
    expect(() => client.collection(name)).toThrow(refused)
    expect(() => entity.splice(name, { index: 0, remove: 0, insert: 'x' })).toThrow(refused)
    expect(() => entity.bindText(name, {} as HTMLTextAreaElement)).toThrow()
    await expect(client.create(name, {})).rejects.toEqual(refused)
    await expect(client.delete(name)).rejects.toEqual(refused)
    await expect(client.undelete(name)).rejects.toEqual(refused)
    if (junk === undefined) continue
    await expect(client.create('team', {}, { id: name })).rejects.toEqual(refused)
  }
  expect(entity.value?.name).toBe('Unsaved')
  expect(entity.status).toMatchObject({ pending: 1, error: null })
})

test('a splice is a place, a length and a text, and nothing else is made of it', async () => {
  const entity = client.entity<Member>('team/jane')
  await entity.ready()
  const { value } = entity
  for (const junk of JUNK) {
    const splice = { index: 0, remove: 0, insert: junk as string }
    expect(() => entity.splice('/bio', splice)).toThrow(
      expect.objectContaining({ name: 'JsonError', pointer: '/bio' }),
    )
  }
  for (const junk of [...JUNK, -1, 0.5, Number.NaN, Infinity, 2 ** 32, '0']) {
    if (junk === 5) continue
    const count = junk as number
    const outside = expect.objectContaining({ code: 'document' })
    expect(() => entity.splice('/bio', { index: count, remove: 0, insert: 'x' })).toThrow(outside)
    expect(() => entity.splice('/bio', { index: 0, remove: count, insert: 'x' })).toThrow(outside)
  }
  for (const attempted of [Number.NaN, new Map(), '\ud800']) {
    const dropped = { pointer: '/name', reason: 'gone', attempted, operations: 1 }
    expect(() => entity.bringBack(dropped as unknown as Dropped)).toThrow(
      expect.objectContaining({ name: 'JsonError', pointer: '/attempted' }),
    )
  }
  expect(entity.value).toBe(value)
})

test('a kind whose name is none fails by itself, whenever it is asked for', async () => {
  const early = client.collection('No Kind')
  await client.entity('team/jane').ready()
  const late = client.collection('None, either')
  for (const collection of [early, late]) {
    await expect(collection.ready()).rejects.toMatchObject({ code: 'name' })
    expect(collection.status).toMatchObject({ error: { code: 'name' } })
  }
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

test('listeners and recipes are functions, and are refused where they are given', async () => {
  const entity = client.entity<Member>('team/jane')
  await entity.ready()
  const refused = expect.objectContaining({ code: 'argument' })
  for (const junk of JUNK) {
    const listener = junk as () => void
    expect(() => client.subscribe(listener)).toThrow(refused)
    expect(() => entity.subscribe(listener)).toThrow(refused)
    expect(() => entity.subscribeStatus(listener)).toThrow(refused)
    expect(() => entity.subscribeConflicts(listener)).toThrow(refused)
    expect(() => entity.change(listener)).toThrow(refused)
    expect(() => client.collection('team').subscribe(listener)).toThrow(refused)
    expect(() => client.collection('team').subscribeStatus(listener)).toThrow(refused)
  }
})
