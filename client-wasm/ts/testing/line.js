// A line between a client and a server that can go dead without a word, as networks do: everything is
// swallowed and nothing is closed. In JavaScript, since the browser tests use it too, which are not
// compiled.

import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/** @typedef {import('node:net').Socket} Socket */

export class Line {
  /** Whether what is said on this line is swallowed; those who connect meanwhile find nobody. */
  dead = false
  /** How many connections were made. */
  connections = 0
  /** The address of the target, by way of this line. */
  url = ''
  /** @type {Set<Socket>} */
  #sockets = new Set()
  #server

  /** @param {URL} target */
  constructor(target) {
    this.#server = createServer(near => {
      this.connections += 1
      const far = connect(Number(target.port), target.hostname)
      this.#join(near, far)
      this.#join(far, near)
    })
  }

  /**
   * @param {string} url of the server that the line leads to
   * @returns {Promise<Line>}
   */
  static async to(url) {
    const target = new URL(url)
    const line = new Line(target)
    line.#server.listen(0, '127.0.0.1')
    await once(line.#server, 'listening')
    const address = line.#server.address()
    if (address === null || typeof address === 'string') throw new Error('no port was given')
    const path = target.pathname === '/' ? '' : target.pathname
    line.url = `${target.protocol}//127.0.0.1:${address.port}${path}`
    return line
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
