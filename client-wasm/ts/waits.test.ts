// Guards against entities, kinds and requests that are lost since the server could not serve them for
// a moment: each is asked for again after the wait that the server gave, on the same connection.

import { expect, test } from 'vitest'
import { connect, server, until, useServer } from './testing/fixture.js'

interface Member {
  name: string
  slogan?: string
}

const WAIT_MS = 200

useServer()

/** How often a frame came. */
function came(name: string): number {
  return server.received.filter(received => received === name).length
}

function expectOneConnection(): void {
  expect(came('hello')).toBe(1)
}

test.each(['busy', 'unavailable'])('an entity that is %s is opened again', async code => {
  server.cannot = { code, retry: WAIT_MS, times: 2 }
  const began = Date.now()
  const client = connect()
  const entity = client.entity<Member>('team/jane')
  await until(() => client.status.error !== null)
  expect(client.status.error?.code).toBe(code)
  expect(entity.status).toMatchObject({ state: 'connecting', error: null })
  await entity.ready()
  expect(Date.now() - began).toBeGreaterThanOrEqual(2 * WAIT_MS)
  expect(entity.value?.name).toBe('Jane')
  expect(client.status).toMatchObject({ state: 'synced', error: null })
  expect(came('open')).toBe(3)
  expectOneConnection()
})

test('a replica goes on where it was, with its edits', async () => {
  const client = connect()
  const entity = client.entity<Member>('team/jane')
  await entity.ready()
  server.cannot = { code: 'busy', retry: WAIT_MS, times: 1 }
  server.cut()
  await until(() => client.status.state !== 'synced')
  entity.merge({ slogan: 'Mine' })
  await entity.saved()
  expect(entity.value?.slogan).toBe('Mine')
  expect(server.opened.at(-1)?.seq).toBe(1)
  expect(came('open')).toBe(3)
})

test('a kind is watched again', async () => {
  server.cannot = { code: 'unavailable', retry: WAIT_MS, times: 1 }
  const client = connect()
  const team = client.collection<Member>('team')
  await until(() => came('watch') === 2)
  server.value('team/joe', 'v1', { name: 'Joe' })
  server.tell('watched', { kind: 'team' })
  expect(await team.ready()).toEqual([{ id: 'joe', value: { name: 'Joe' } }])
  expect(client.status.error).toBeNull()
  expectOneConnection()
})

test('a new entity is asked for again under its id', async () => {
  server.cannot = { code: 'unavailable', retry: WAIT_MS, times: 1 }
  const client = connect()
  const created = client.create<Member>('team', { name: 'Joe' })
  await until(() => client.status.error !== null)
  expect(client.status).toMatchObject({ pending: 1, error: { code: 'unavailable' } })
  expect((await created).name).toBe('team/chosen')
  expect(came('create')).toBe(2)
  expectOneConnection()
})

test('an edit is sent again', async () => {
  const client = connect()
  const entity = client.entity<Member>('team/jane')
  await entity.ready()
  server.cannot = { code: 'busy', retry: WAIT_MS, times: 1 }
  entity.merge({ slogan: 'Mine' })
  await until(() => client.status.error !== null)
  expect(client.status.error?.code).toBe('busy')
  await entity.saved()
  expect(came('propose')).toBe(2)
  expect(client.status.error).toBeNull()
  expectOneConnection()
})
