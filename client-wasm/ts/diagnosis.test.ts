// Guards against a client that cannot say why it reaches no server, or gives a wrong reason. The servers
// are real ones on real sockets; what a browser adds (CORS) is tried in `tests/browser`.

import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import { diagnose } from './diagnosis.js'

const servers: Server[] = []

afterEach(async () => {
  vi.unstubAllGlobals()
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  }
})

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** What the server answers at /healthz; nothing is anywhere else. */
function indelible(says: 'welcome' | 'refused', at = '/healthz'): Promise<string> {
  return serve((request, response) => {
    const { pathname } = new URL(request.url ?? '', 'http://x')
    if (pathname === at) response.setHeader('indelible-origin', says)
    else response.statusCode = 404
    response.end('ok\n')
  })
}

async function codeAt(url: string): Promise<string | undefined> {
  return (await diagnose(url))?.code
}

test('a server that is there, without WebSocket', async () => {
  const authority = await indelible('welcome')
  expect(await codeAt(`ws://${authority}/sync`)).toBe('no-upgrade')
})

test('another path', async () => {
  const authority = await indelible('welcome')
  for (const path of ['/synk', '/', '/live/sync', '/sync/', '/a/b/c']) {
    expect(await codeAt(`ws://${authority}${path}`), path).toBe('wrong-path')
  }
  expect((await diagnose(`ws://${authority}/synk`))?.message).toMatch(/\/synk.*\/sync$/)
})

test('the right path with parameters, of which only the names are told', async () => {
  const authority = await indelible('welcome')
  const fault = await diagnose(`ws://${authority}/sync?token=secret&x=1&x=2`)
  expect(fault?.code).toBe('wrong-path')
  expect(fault?.message).toMatch(/at \/sync without parameters, and the url has token, x$/)
  const empty = await diagnose(`ws://${authority}/sync?&`)
  expect(empty?.message).toMatch(/the url has \?&$/)
  expect(await codeAt(`ws://${authority}/sync?`)).toBe('no-upgrade')
  expect((await diagnose(`ws://${authority}/synk?x=1`))?.message).toMatch(/path \/synk:/)
})

test('an address with a name and a password, which are told to nobody', async () => {
  const authority = await indelible('welcome')
  const fault = await diagnose(`ws://ada:secret@${authority}/synk`)
  expect(fault?.code).toBe('wrong-path')
  expect(fault?.message).not.toMatch(/ada|secret/)
})

test('a server below a path of a proxy', async () => {
  const authority = await indelible('welcome', '/live/healthz')
  expect(await codeAt(`ws://${authority}/live/sync`)).toBe('no-upgrade')
  expect((await diagnose(`ws://${authority}/live/snyc`))?.message).toMatch(
    /\/live\/snyc.*\/live\/sync$/,
  )
})

test('a proxy with nothing behind it', async () => {
  for (const status of [502, 503, 504]) {
    const authority = await serve((_, response) => response.writeHead(status).end('Bad Gateway'))
    const found = await diagnose(`ws://${authority}/sync`)
    expect(found?.code).toBe('unreachable')
    expect(found?.message).toContain('a proxy answers')
  }
})

test('a page that is not let in learns the option that lets it in', async () => {
  const asked: string[] = []
  vi.stubGlobal('location', { origin: 'https://page.example', href: 'https://page.example/x' })
  const authority = await serve((request, response) => {
    asked.push(request.url ?? '')
    response.setHeader('indelible-origin', 'refused')
    response.end('ok\n')
  })
  const fault = await diagnose(`ws://${authority}/sync`)
  expect(fault?.code).toBe('origin-refused')
  expect(fault?.message).toContain('--allow-origin https://page.example')
  expect(asked).toEqual(['/healthz?origin=https%3A%2F%2Fpage.example'])
})

test('something else', async () => {
  const authority = await serve((_, response) => response.end('<html>'))
  expect(await codeAt(`ws://${authority}/sync`)).toBe('not-indelible')
})

test('nothing at all, or no network', async () => {
  const authority = await indelible('welcome')
  await new Promise(resolve => servers.pop()?.close(resolve))
  expect(await codeAt(`ws://${authority}/sync`)).toBe('unreachable')
  vi.stubGlobal('navigator', { onLine: false })
  expect(await codeAt(`ws://${authority}/sync`)).toBe('no-network')
})

test('nothing is said where nothing can be asked', async () => {
  vi.stubGlobal('fetch', undefined)
  expect(await diagnose('ws://127.0.0.1:1/sync')).toBeNull()
})
