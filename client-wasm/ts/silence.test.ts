// Guards against a dead connection that is shown as `synced` for ever: a real socket, a real core,
// and a line that swallows everything. Neither reader nor editor has anything pending.

import { afterEach, beforeEach, expect, test } from 'vitest'
import type { SyncState } from './index.js'
import { connect, server, until, useServer } from './testing/fixture.js'
import { Line } from './testing/line.js'

useServer()

let line: Line

beforeEach(async () => {
  line = await Line.to(server.url)
})

afterEach(async () => {
  await line.cut()
})

const silence = { probeAfter: 200, answerWithin: 2_000 }

test.each(['replica', 'value'])('a %s on a dead line is not synced', async mode => {
  server.byValue = mode === 'value'
  const client = connect({ url: line.url, silence })
  const entity = client.entity('team/jane')
  if (mode === 'value') {
    await until(() => server.followed)
    server.value('team/jane', 'v1', { name: 'Jane' })
  }
  await entity.ready()
  await until(() => client.status.state === 'synced')
  const states: SyncState[] = []
  client.subscribe(status => states.push(status.state))
  // A line that is merely quiet is kept.
  await until(() => server.received.filter(name => name === 'ping').length >= 3)
  expect(states).toEqual([])
  expect(line.connections).toBe(1)

  line.dead = true
  await until(() => client.status.state !== 'synced')
  expect(entity.status.state).not.toBe('synced')
  expect(client.status.error?.code).toBe('silent')
  await until(() => client.status.state === 'connecting' || line.connections > 1)
  // An attempt that was made on the dead line hangs: trying now does not wait for its end.
  const opened = server.opened.length
  line.dead = false
  client.retry()
  await until(() => server.opened.length > opened)
  if (mode === 'value') server.value('team/jane', 'v1', { name: 'Jane' })
  await until(() => client.status.state === 'synced')
})

test('trying now is more than waiting: a client that gave up begins again', async () => {
  let token = 'bad'
  const client = connect({ token: () => token })
  const entity = client.entity('team/jane')
  await expect(entity.ready()).rejects.toMatchObject({ code: 'unauthorized' })
  await until(() => client.status.error?.code === 'unauthorized')
  expect(client.retryAt).toBeNull()
  token = 'good'
  client.retry()
  await until(() => client.status.state === 'synced')
  client.close()
  client.retry()
  expect(client.status.state).toBe('offline')
})

test('a server from before `ping` answers that it does not know it, and is kept', async () => {
  server.knowsPing = false
  const client = connect({ url: line.url, silence })
  await client.entity('team/jane').ready()
  await until(() => server.received.filter(name => name === 'ping').length >= 3)
  expect(line.connections).toBe(1)
  expect(client.status).toMatchObject({ state: 'synced', error: null })
})

test('a server that asks for a sign of life gets it', async () => {
  const client = connect()
  await client.entity('team/jane').ready()
  server.tell('ping', {})
  await until(() => server.received.includes('pong'))
})
