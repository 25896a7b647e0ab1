/** A web server that knows files only, as pages are served from. */

import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join } from 'node:path'

/** @type {Record<string, string>} */
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
}

export class Files {
  /** What is served; it may change. */
  folder = ''
  /** What was asked for and is not there. @type {string[]} */
  missing = []

  /** @param {import('node:http').Server} listener */
  constructor(listener) {
    this.listener = listener
  }

  static async start() {
    const listener = createServer()
    const files = new Files(listener)
    listener.on('request', ({ url }, answer) => files.#answer(url ?? '/', answer))
    listener.listen(0, '127.0.0.1')
    await once(listener, 'listening')
    return files
  }

  get url() {
    const address = this.listener.address()
    if (address === null || typeof address === 'string') throw new Error('no port was given')
    return `http://127.0.0.1:${address.port}`
  }

  async stop() {
    this.listener.closeAllConnections()
    this.listener.close()
    await once(this.listener, 'close')
  }

  /**
   * @param {string} target
   * @param {import('node:http').ServerResponse} answer
   */
  async #answer(target, answer) {
    const { pathname } = new URL(target, this.url)
    const name = pathname === '/' ? '/index.html' : pathname
    try {
      const body = await readFile(join(this.folder, name))
      answer.setHeader('content-type', TYPES[extname(name)] ?? 'application/octet-stream')
      answer.end(body)
    } catch {
      this.missing.push(name)
      answer.writeHead(404).end()
    }
  }
}
