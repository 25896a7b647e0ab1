// Guards against a client that finds something else than our server, and never says so. What answers
// is real, on real sockets.

import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { connect, until, useServer } from './testing/fixture.js'

useServer()

const foreign: WebSocketServer[] = []

afterEach(async () => {
  for (const one of foreign.splice(0)) {
    for (const socket of one.clients) socket.terminate()
    await new Promise(resolve => one.close(resolve))
  }
})

/** Something that takes every connection and then does this. */
async function serve(then: (socket: WebSocket) => void): Promise<string> {
  const one = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  foreign.push(one)
  one.on('connection', then)
  await new Promise(resolve => one.once('listening', resolve))
  return `ws://127.0.0.1:${(one.address() as AddressInfo).port}/sync`
}

test.each<[string, (socket: WebSocket) => void, string]>([
  ['sends bytes', socket => socket.send(Uint8Array.of(1, 2, 3)), 'not-indelible'],
  ['sends nothing in a frame', socket => socket.send(new Uint8Array()), 'not-indelible'],
  ['sends text', socket => socket.send('{"type":"welcome"}'), 'not-indelible'],
  ['closes', socket => socket.close(1000, 'bye'), 'silent'],
  ['breaks off', socket => socket.terminate(), 'silent'],
])('something that %s is named', async (_, then, code) => {
  const url = await serve(then)
  const client = connect({ url })
  client.entity('team/jane')
  await until(() => client.status.error !== null)
  expect(client.status.error).toMatchObject({ code })
  if (code === 'not-indelible') expect(client.status.error?.message).toContain(url)
  expect(client.status.state).toMatch(/offline|connecting/)
})

test('what may be secret in an address is told to nobody', async () => {
  const url = await serve(socket => socket.send('hello'))
  const client = connect({ url: `${url.replace('ws://', 'ws://ada:secret@')}?key=secret` })
  client.entity('team/jane')
  await until(() => client.status.error !== null)
  expect(client.status.error).toMatchObject({ code: 'not-indelible' })
  expect(client.status.error?.message).toContain(`at ${url} is not`)
  expect(client.status.error?.message).not.toContain('secret')
})
