// What tests of the client share: a server for each test, clients that end with it, and patience.

import { afterEach, beforeEach, expect, vi } from 'vitest'
import { WebSocket } from 'ws'
import { IndelibleClient } from '../index.js'
import type { ClientOptions } from '../types.js'
import { PATIENCE_MS, TestServer } from './server.js'

/** The server of the test that runs. */
export let server: TestServer

const clients: IndelibleClient[] = []

/** Gives each test of the file a server of its own. */
export function useServer(): void {
  beforeEach(async () => {
    server = await TestServer.start()
  })
  afterEach(async () => {
    vi.unstubAllGlobals()
    vi.restoreAllMocks()
    for (const client of clients.splice(0)) client.close()
    await server.stop()
  })
}

/** A client of the server, which comes back fast and is closed after the test. */
export function connect(options: Partial<ClientOptions> = {}): IndelibleClient {
  const client = new IndelibleClient({
    url: server.url,
    WebSocket,
    token: 'good',
    reconnect: { delayMin: 5, delayMax: 20 },
    ...options,
  })
  clients.push(client)
  return client
}

/** Waits until something holds. */
export async function until(condition: () => boolean): Promise<void> {
  await vi.waitFor(() => expect(condition()).toBe(true), { interval: 2, timeout: PATIENCE_MS })
}
