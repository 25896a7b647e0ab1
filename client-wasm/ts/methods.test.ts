// Guards against errors of the JavaScript runtime, or a core that dies with every edit in it, where a
// public method is given something else than TypeScript would have let through, and against options
// that are passed over.

import { afterEach, beforeEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { bindText, Collection, Entity, IndelibleClient, IndelibleError } from './index.js'
import { TestServer } from './testing/server.js'
import { Box } from './testing/typing.js'
import type { ClientOptions } from './types.js'

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

const nothing = (): void => undefined

const NO_TEXT = [null, 5, 1n, true, {}, [], nothing, Symbol('s'), new Date(0), Promise.resolve()]

/** By sort of argument: what is none. */
const WRONG: { readonly [sort: string]: readonly unknown[] } = {
  kind: [undefined, ...NO_TEXT, '', 'No Kind', 'team/', 'team/jane', '../team'],
  name: [undefined, ...NO_TEXT, '', 'No Kind', 'team/', '/jane', 'team/../jane', 'team/a/b'],
  id: [undefined, ...NO_TEXT, '', '.', '../jane', 'team/jane'],
  named: NO_TEXT.map(id => ({ id })),
  pointer: [undefined, ...NO_TEXT, 'bio', '/a~2', '/a~'],
  function: [undefined, null, 5, 1n, true, 'x', {}, [], Symbol('s'), Promise.resolve()],
  recipe: [async () => undefined, function* () {}],
  object: [undefined, null, 5, 1n, true, 'x', [], nothing, Symbol('s'), new Date(0), new Map()],
  options: [null, 5, 1n, true, 'x', [], nothing, Symbol('s'), { nonsense: 1 }],
  element: [undefined, null, 5, 1n, true, 'x', {}, [], nothing],
}

const SPLICE = { index: 0, remove: 0, insert: 'x' }
const element = () => new Box().element

/** By method: the sorts of what it takes, each with an example. */
type Table<T> = { readonly [method in keyof T]?: readonly (readonly [string, unknown])[] }

const CLIENT: Table<IndelibleClient> = {
  retry: [],
  connect: [],
  close: [],
  subscribe: [['function', nothing]],
  entity: [['name', 'team/jane']],
  collection: [['kind', 'team']],
  create: [
    ['kind', 'team'],
    ['object', {}],
    ['options named', {}],
  ],
  delete: [['name', 'team/jane']],
  undelete: [['name', 'team/jane']],
  signOut: [['options', {}]],
}

const ENTITY: Table<Entity> = {
  ready: [],
  saved: [],
  close: [],
  subscribe: [['function', nothing]],
  subscribeStatus: [['function', nothing]],
  subscribeConflicts: [['function', nothing]],
  merge: [
    ['object', {}],
    ['options', {}],
  ],
  change: [
    ['function recipe', nothing],
    ['options', {}],
  ],
  splice: [
    ['pointer', '/bio'],
    ['object', SPLICE],
    ['options', {}],
  ],
  bindText: [
    ['pointer', '/bio'],
    ['element', element()],
    ['options', {}],
  ],
  bringBack: [['object', { pointer: '/name', reason: 'gone', operations: 1 }]],
}

const COLLECTION: Table<Collection> = {
  ready: [],
  close: [],
  get: [['id', 'jane']],
  subscribe: [['function', nothing]],
  subscribeStatus: [['function', nothing]],
}

type Method = (...given: readonly unknown[]) => unknown

async function errorOf(call: () => unknown): Promise<unknown> {
  try {
    await call()
    return null
  } catch (error) {
    return error
  }
}

async function check(
  name: string,
  method: Method,
  takes: readonly (readonly [string, unknown])[],
): Promise<void> {
  for (const [place, [sorts]] of takes.entries()) {
    const all = sorts.split(' ').flatMap(sort => WRONG[sort] ?? [])
    expect(all.length, `${name}: ${sorts}`).toBeGreaterThan(0)
    for (const wrong of all) {
      const given = takes.map(([, example]) => example)
      given[place] = wrong
      const error = await errorOf(() => method(...given))
      const call = `${name}(${given.map(String).join(', ')}), argument ${place}: ${String(error)}`
      expect(error, call).toBeInstanceOf(IndelibleError)
      expect((error as Error).message, call).toMatch(
        / must be |has no option|JSON has no word|is no pointer/,
      )
    }
  }
}

/** The public methods of a class: those that its table lacks are found. */
function methodsOf(type: { readonly prototype: object }): readonly string[] {
  const { prototype } = type
  const all = Object.entries(Object.getOwnPropertyDescriptors(prototype))
  const methods = all.filter(
    ([name, { value }]) => typeof value === 'function' && name !== 'constructor',
  )
  const internal = /^(receive|locate$|keepLetters$|restart$|abandon$)/
  return methods.map(([name]) => name).filter(name => !internal.test(name))
}

test('every method names the argument that is wrong, and what it must be', async () => {
  const entity = client.entity('team/jane')
  await entity.ready()
  server.deaf = true
  entity.merge({ name: 'Unsaved' })
  const { value } = entity
  const collection = client.collection('team')
  const classes = [
    [IndelibleClient, client, CLIENT],
    [Entity, entity, ENTITY],
    [Collection, collection, COLLECTION],
  ] as const
  for (const [type, object, table] of classes) {
    expect(Object.keys(table).sort()).toEqual([...methodsOf(type)].sort())
    for (const [name, takes] of Object.entries(table)) {
      await check(`${type.name}.${name}`, Reflect.get(object, name) as Method, takes)
    }
  }
  await check('bindText', bindText as unknown as Method, [
    ['element', element()],
    ['element', entity],
    ['pointer', '/bio'],
    ['options', {}],
  ])
  expect(entity.value).toBe(value)
  expect(entity.status).toMatchObject({ pending: 1, error: null })
})

test('options are words that there are', async () => {
  const entity = client.entity('team/jane')
  await entity.ready()
  const wrong = expect.objectContaining({ code: 'argument' })
  for (const given of [{ protected: 'Keep' }, { protected: null }, { protect: 'keep' }]) {
    expect(() => entity.merge({}, given as object)).toThrow(wrong)
    expect(() => entity.change(nothing, given as object)).toThrow(wrong)
  }
  // It would have thrown edits away without a question.
  for (const given of [{ pending: 'Ask' }, { pending: null }, { confirm: true }]) {
    await expect(client.signOut(given as object)).rejects.toEqual(wrong)
  }
  expect(() => entity.bindText('/bio', element(), { refused: 'kept' } as object)).toThrow(wrong)
  expect(() => entity.merge({}, { protected: undefined } as object)).not.toThrow()
})

test('options of a client that make no sense are said at the first connection', async () => {
  for (const [options, says] of [
    [{ tokn: 'good' }, 'a client has no option "tokn": it has url, token'],
    [
      { reconnect: { delayMin: 'x' } },
      'delayMin of the option reconnect must be milliseconds, not string',
    ],
    [{ reconnect: { delay: 5 } }, 'the option reconnect has no option "delay"'],
    [{ silence: 5 }, 'the option silence must be an object, not number'],
    [{ silence: { probeAfter: Number.NaN } }, 'must be milliseconds, not NaN'],
    [{ store: 'indexeddb' }, "the option store must be 'memory'"],
    [{ preventUnsavedChanges: 'no' }, 'must be a boolean, not string'],
    [{ name: 5 }, 'the option name must be a string, not number'],
    [
      { wasm: 5 },
      'the option wasm must be a URL, a Response, bytes or a WebAssembly.Module, or { whole, values }, not number',
    ],
    [{ wasm: [] }, 'the option wasm must be a URL'],
    [{ wasm: {} }, 'the option wasm must be a URL'],
    [{ wasm: nothing }, 'the option wasm must be a URL'],
    [{ wasm: { values: 5 } }, 'values of the option wasm must be a URL, a Response, bytes or'],
    [{ wasm: { whole: {} } }, 'whole of the option wasm must be a URL, a Response, bytes or'],
    [
      { wasm: { whole: '/a.wasm', value: '/b.wasm' } },
      'the option wasm has no option "value": it has whole, values',
    ],
  ] as const) {
    const one = new IndelibleClient({ url: server.url, WebSocket, ...options } as ClientOptions)
    await expect(one.entity('team/jane').ready()).rejects.toMatchObject({
      code: 'option',
      message: expect.stringContaining(says),
    })
    expect(one.status.error).toMatchObject({ code: 'option' })
    one.close()
  }
})

test('a kind that the last connection did not have is no reason to wait without one', async () => {
  await client.entity('team/jane').ready()
  await server.stop()
  await expect.poll(() => client.status.state).toMatch(/offline|connecting/)
  for (const asked of [
    client.create('taem', {}),
    client.delete('taem/jane'),
    client.undelete('taem/jane'),
  ]) {
    await expect(asked).rejects.toMatchObject({
      code: 'no-kind',
      message: 'there is no kind taem; did you mean team?',
    })
  }
  const waits = client.create('team', {})
  const first = await Promise.race([waits.catch(() => 'closed'), Promise.resolve('waits')])
  expect(first).toBe('waits')
})
