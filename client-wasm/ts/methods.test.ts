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
    // A timer takes these for no time at all.
    [
      { reconnect: { delayMax: 0 } },
      'delayMax of the option reconnect must be from 1 to 2147483647',
    ],
    [
      { reconnect: { delayMin: 2 ** 31 } },
      'must be from 1 to 2147483647 milliseconds, not 2147483648',
    ],
    [{ silence: { answerWithin: Infinity } }, 'must be milliseconds, not Infinity'],
    [{ silence: { answerWithin: -1 } }, 'must be from 1 to 2147483647 milliseconds, not -1'],
    [
      { reconnect: { delayMin: 40_000 } },
      'delayMin of the option reconnect is 40000: that is more than delayMax, 30000',
    ],
    [{ reconnect: { delayMin: 2, delayMax: 1 } }, 'is 2: that is more than delayMax, 1'],
    [{ name: 'x'.repeat(70_000) }, 'the option name must have at most 200 characters, not 70000'],
    [{ ['o'.repeat(100_000)]: 1 }, `a client has no option "${'o'.repeat(80)}…": it has url`],
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

/** An object with one property that cannot be read. */
function broken(name: string): object {
  return Object.defineProperty({}, name, {
    enumerable: true,
    get: () => {
      throw new Error('not now')
    },
  })
}

test('options that cannot be read are said at the first connection, and end no process', async () => {
  const given: [unknown, string][] = [
    ['url', 'token', 'name', 'wasm', 'preventUnsavedChanges'].map(
      name => [broken(name), `the option ${name} could not be read: not now`] as const,
    ),
    [
      [{ wasm: broken('whole') }, 'whole of the option wasm could not be read: not now'],
      [{ silence: broken('probeAfter') }, 'probeAfter of the option silence could not be read'],
      ['ws://a.test/sync', 'the options of a client must be an object, such as { url: '],
      [
        new Proxy(
          {},
          {
            ownKeys: () => {
              throw new Error('no keys')
            },
          },
        ),
        'the options of a client could not be read: no keys',
      ],
    ] as const,
  ].flat() as [unknown, string][]
  for (const [options, says] of given) {
    const one = new IndelibleClient(options as ClientOptions)
    const error = { code: 'option', message: expect.stringContaining(says) }
    await expect(one.entity('team/jane').ready(), says).rejects.toMatchObject(error)
    expect(one.status.error, says).toMatchObject(error)
    one.close()
  }
  const wasm = Promise.reject(new Error('none'))
  new IndelibleClient({ url: server.url, wasm, tokn: 1 } as unknown as ClientOptions).close()
  await new Promise(resolve => setImmediate(resolve))
  const url = broken('href')
  const one = new IndelibleClient({ url } as ClientOptions)
  const error = { code: 'url', message: 'the option url could not be read: not now' }
  await expect(one.entity('team/jane').ready()).rejects.toMatchObject(error)
  expect(one.status.error).toMatchObject(error)
  one.close()
})

test('options are read once, wherever they come from', async () => {
  let reads = 0
  class Options {
    readonly url = server.url
    readonly WebSocket = WebSocket
    get token(): string {
      reads += 1
      return reads === 1 ? 'good' : 'bad'
    }
  }
  const one = new IndelibleClient(new Options())
  const entity = one.entity<{ name: string }>('team/jane')
  await entity.ready()
  expect(server.tokens.at(-1)).toBe('good')
  expect(reads).toBe(1)
  class Protected {
    get protected(): string {
      return 'Keep'
    }
  }
  const wrong = expect.objectContaining({
    code: 'argument',
    message: `the option protected of merge must be 'refuse' or 'keep', not "Keep"`,
  })
  expect(() => entity.merge({}, new Protected() as object)).toThrow(wrong)
  for (const call of [
    () => entity.merge({}, broken('protected')),
    () => entity.splice('/bio', SPLICE, broken('base')),
    () => entity.splice('/bio', broken('index') as typeof SPLICE),
    () => entity.bindText('/bio', element(), broken('onError')),
  ]) {
    const message = expect.stringMatching(/could not be read: not now$/)
    expect(call).toThrow(expect.objectContaining({ code: 'argument', message }))
  }
  expect(() => entity.bringBack(broken('pointer') as never)).toThrow(
    expect.objectContaining({ name: 'JsonError', pointer: '/pointer' }),
  )
  one.close()
})

test('what answers a question of signOut is a boolean', async () => {
  const entity = client.entity('team/jane')
  await entity.ready()
  server.deaf = true
  entity.merge({ name: 'Unsaved' })
  for (const answer of [undefined, null, 'no', 0]) {
    const confirm = (() => answer) as unknown as () => boolean
    await expect(client.signOut({ confirm })).rejects.toMatchObject({
      code: 'argument',
      message: expect.stringContaining(
        'what the option confirm of signOut answers must be a boolean',
      ),
    })
  }
  expect(entity.status.pending).toBe(1)
  expect(await client.signOut({ confirm: () => false })).toBe(false)
  expect(await client.signOut({ confirm: () => Promise.resolve(true) })).toBe(true)
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
