/**
 * A line between a browser and a server that can go dead without a word, as networks do: everything is
 * swallowed, nothing is closed.
 */

import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/** @typedef {import('node:net').Socket} Socket */

export class Line {
  /** Whether what is said is swallowed; whoever connects meanwhile finds nobody. */
  dead = false
  /** @type {Set<Socket>} */
  #sockets = new Set()
  #server
  #port = 0

  /** @param {{ port: number }} server */
  constructor(server) {
    this.#server = createServer(near => {
      const far = connect(server.port, '127.0.0.1')
      this.#join(near, far)
      this.#join(far, near)
    })
  }

  /**
   * @param {{ port: number }} server
   * @returns {Promise<Line>}
   */
  static async to(server) {
    const line = new Line(server)
    line.#server.listen(0, '127.0.0.1')
    await once(line.#server, 'listening')
    const address = line.#server.address()
    if (address === null || typeof address === 'string') throw new Error('no port was given')
    line.#port = address.port
    return line
  }

  get url() {
    return `http://127.0.0.1:${this.#port}`
  }

  async cut() {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  /**
   * @param {Socket} from
   * @param {Socket} to
   */
  #join(from, to) {
    this.#sockets.add(from)
    // Who has been on a dead line stays there.
    let dead = false
    from.on('data', bytes => {
      dead ||= this.dead
      if (!dead) to.write(bytes)
    })
    from.on('close', () => {
      this.#sockets.delete(from)
      if (!dead && !this.dead) to.destroy()
    })
    from.on('error', () => undefined)
  }
}
