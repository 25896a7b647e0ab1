// Guards against options that are wrong and end a page or a server that renders it, instead of being
// said where one looks for it; and against clients that wait for ever for a server without address.

import { expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { endpoint } from './endpoint.js'
import { type ClientOptions, IndelibleClient } from './index.js'
import { connect, server, useServer } from './testing/fixture.js'

useServer()

test.each([
  ['ws://a.test', 'ws://a.test/sync'],
  ['https://a.test/', 'wss://a.test/sync'],
  ['http://a.test/other?x=1#part', 'ws://a.test/other?x=1'],
  [new URL('wss://a.test/sync'), 'wss://a.test/sync'],
])('%s is %s', (given, url) => {
  expect(endpoint(given)).toBe(url)
})

test.each([
  ['/sync', 'wss://page.test/sync'],
  ['sync', 'wss://page.test/admin/sync'],
  ['?x=1', 'wss://page.test/admin/page?x=1'],
  ['//other.test', 'wss://other.test/sync'],
])('in a page, %s is %s', (given, url) => {
  vi.stubGlobal('location', { href: 'https://page.test/admin/page?y#z' })
  expect(endpoint(given)).toBe(url)
})

const WRONG: readonly [unknown, RegExp][] = [
  [undefined, /^the option url is missing/],
  [null, /^the option url is missing/],
  ['', /^the option url is missing/],
  ['/sync', /^the url "\/sync" is relative/],
  ['localhost:4000', /^the url "localhost:4000" must begin with ws:/],
  ['ftp://a.test/', /^the url "ftp:.*must begin with ws:/],
  ['file:///sync', /must begin with ws:/],
  ['http://', /^the url "http:\/\/" is not valid/],
  ['ws://a b', /^the url "ws:\/\/a b" is not valid/],
  [5, /^the option url must be a text/],
  [{}, /^the option url must be a text/],
]

test.each(WRONG)('a client of %s fails at its first connection', async (url, message) => {
  const error = { code: 'url', message: expect.stringMatching(message) }
  const client = new IndelibleClient({ url, WebSocket } as ClientOptions)
  expect(client.status).toMatchObject({ state: 'offline', error: null })
  const entity = client.entity('team/jane')
  const collection = client.collection('team')
  await expect(entity.ready()).rejects.toMatchObject(error)
  await expect(collection.ready()).rejects.toMatchObject(error)
  await expect(client.create('team', {})).rejects.toMatchObject(error)
  await expect(client.delete('team/jane')).rejects.toMatchObject(error)
  for (const { status } of [client, entity, collection]) {
    expect(status).toMatchObject({ state: 'offline', error })
  }
  client.connect()
  expect(client.status).toMatchObject({ state: 'offline', error })
  client.close()
})

test('so does one without options', async () => {
  const Client = IndelibleClient as new () => IndelibleClient
  const client = new Client()
  await expect(client.entity('settings').ready()).rejects.toMatchObject({ code: 'url' })
  client.close()
})

test('options that are null are left out, and one of two modules is enough', async () => {
  const odd = { name: null, wasm: null, store: null, token: 'good' } as unknown as ClientOptions
  expect((await connect(odd).entity<{ name: string }>('team/jane').ready()).name).toBe('Jane')
  const client = connect({ wasm: { values: new Uint8Array(8) } } as unknown as ClientOptions)
  expect((await client.entity<{ name: string }>('team/jane').ready()).name).toBe('Jane')
})

test('an option WebSocket that is none is said to be so, and the client can be asked again', async () => {
  for (const odd of ['ws', 5, {}, true]) {
    const client = connect({ WebSocket: odd } as unknown as ClientOptions)
    const message = expect.stringContaining('the option WebSocket must be a class')
    const error = { code: 'no-websocket', message }
    await expect(client.entity('team/jane').ready()).rejects.toMatchObject(error)
    expect(client.status).toMatchObject({ state: 'offline', error })
  }
  class Throws {
    constructor() {
      throw new Error('not like this')
    }
  }
  for (const [odd, why] of [
    [Throws, 'not like this'],
    [class Odd {}, 'what the option WebSocket makes is not a WebSocket'],
    [() => undefined, 'not a constructor'],
  ]) {
    const client = connect({ WebSocket: odd } as unknown as ClientOptions)
    client.connect()
    await vi.waitFor(() => expect(client.status.error?.code).toBe('connect'))
    expect(client.status.error?.message).toContain(why)
    expect(client.retryAt).not.toBeNull()
  }
})

test('without a WebSocket it is made, fails at the first connection, and can still come to be', async () => {
  vi.stubGlobal('WebSocket', undefined)
  const client = connect({ WebSocket: undefined } as unknown as ClientOptions)
  expect(client.status.error).toBeNull()
  const entity = client.entity('team/jane')
  const error = { code: 'no-websocket', message: expect.stringContaining('"ws"') }
  await expect(entity.ready()).rejects.toMatchObject(error)
  expect(client.status).toMatchObject({ state: 'offline', error })
  vi.stubGlobal('WebSocket', WebSocket)
  client.connect()
  await vi.waitFor(() => expect(entity.value).toBeDefined())
  expect(client.status.error).toBeNull()
  expect(server.received).toContain('hello')
})
