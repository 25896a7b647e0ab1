/**
 * A real server of our own: the built binary, a fresh data directory, a free port.
 *
 * Knows the command line and the HTTP API, nothing of pages.
 */

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { until } from './until.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/** @returns {string} */
function binary() {
  const given = process.env.INDELIBLE_BIN
  const candidates = given
    ? [given]
    : ['release', 'debug'].map(profile => join(root, 'target', profile, 'indelible'))
  const found = candidates.find(path => existsSync(path))
  if (!found) throw new Error(`no server binary at ${candidates.join(' or ')}: build it first`)
  return found
}

/** @returns {Promise<number>} */
async function freePort() {
  const probe = createServer()
  probe.listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  if (address === null || typeof address === 'string') throw new Error('no port was given')
  probe.close()
  await once(probe, 'close')
  return address.port
}

export class Server {
  /** @type {import('node:child_process').ChildProcess | null} */
  #process = null
  #log = ''

  /**
   * @param {string} data
   * @param {number} port
   * @param {{ schema?: string, origins?: string[] }} options
   */
  constructor(data, port, { schema, origins = [] }) {
    this.data = data
    this.port = port
    this.schema = schema
    this.origins = origins
  }

  /**
   * @param {{ schema?: string, origins?: string[] }} [options] whose pages may connect besides its own
   * @returns {Promise<Server>}
   */
  static async fresh(options = {}) {
    const data = await mkdtemp(join(tmpdir(), 'indelible-browser-'))
    const server = new Server(data, await freePort(), options)
    await server.start()
    return server
  }

  get url() {
    return `http://127.0.0.1:${this.port}`
  }

  get log() {
    return this.#log
  }

  /** Starts the server, or starts it again on the same data and port. */
  async start() {
    const words = ['serve', '--dev', '--listen', `127.0.0.1:${this.port}`, '--data', this.data]
    if (this.schema) words.push('--schema', this.schema)
    for (const origin of this.origins) words.push('--allow-origin', origin)
    const started = spawn(binary(), words, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#process = started
    for (const stream of [started.stdout, started.stderr]) {
      stream.setEncoding('utf8').on('data', text => {
        this.#log += text
      })
    }
    await until('the server is ready', async () => {
      if (started.exitCode !== null) {
        throw new Error(`the server ended with ${started.exitCode}:\n${this.#log}`)
      }
      return fetch(`${this.url}/readyz`).then(
        answer => answer.ok,
        () => false,
      )
    })
  }

  /** Ends the process as a power cut would: nothing is finished, no one is notified. */
  async kill() {
    await this.#end('SIGKILL')
  }

  /** Ends the process in order and deletes its data. Checks that it ends well. */
  async stop() {
    const code = await this.#end('SIGTERM')
    await rm(this.data, { recursive: true, force: true })
    if (code !== 0) throw new Error(`the server ended with ${code}:\n${this.#log}`)
  }

  /**
   * @param {NodeJS.Signals} signal
   * @returns {Promise<number | null>}
   */
  async #end(signal) {
    const ending = this.#process
    if (ending === null) return 0
    this.#process = null
    if (ending.exitCode === null) {
      const exit = once(ending, 'exit')
      ending.kill(signal)
      await exit
    }
    return ending.exitCode
  }

  /**
   * A token from the command line, made while the server runs. Its role may be one that no schema
   * names: tests need a person who may do nothing.
   *
   * @param {string} sub
   * @param {string} role
   * @param {string} [ttl] how long it lives, such as `6s`
   * @returns {Promise<string>}
   */
  async token(sub, role, ttl = '1h') {
    const words = ['token', '--sub', sub, '--role', role, '--any-role', '--ttl', ttl]
    words.push('--data', this.data)
    const { stdout } = await promisify(execFile)(binary(), words)
    return stdout.trim()
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{ token?: string, body?: unknown, headers?: Record<string, string> }} [options]
   */
  async call(method, path, { token, body, headers = {} } = {}) {
    const answer = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        ...(token && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    return {
      status: answer.status,
      /** The version that `?base=` takes. */
      version: (answer.headers.get('etag') ?? '').replace(/^W\//, '').replace(/^"|"$/g, ''),
      body: text === '' ? null : JSON.parse(text),
    }
  }
}
