/**
 * A network that is slow in its own way: what comes through it waits, and comes out in bundles.
 *
 * It handles bytes only, and keeps the order in each direction of each connection.
 */

import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/** @typedef {import('node:net').Socket} Socket */

export class SlowNetwork {
  /** The longest that anything waits; 0: nothing does. */
  delayMax = 0
  /** @type {Set<Socket>} */
  #sockets = new Set()

  /**
   * @param {import('node:net').Server} listener
   * @param {() => number} chance from 0 to 1
   */
  constructor(listener, chance) {
    this.listener = listener
    this.chance = chance
  }

  /**
   * A way to the server at `port`.
   *
   * @param {number} port
   * @param {() => number} chance
   * @returns {Promise<SlowNetwork>}
   */
  static async before(port, chance) {
    const listener = createServer()
    const network = new SlowNetwork(listener, chance)
    listener.on('connection', near => {
      const far = connect(port, '127.0.0.1')
      network.#join(near, far)
      network.#join(far, near)
    })
    listener.listen(0, '127.0.0.1')
    await once(listener, 'listening')
    return network
  }

  get url() {
    const address = this.listener.address()
    if (address === null || typeof address === 'string') throw new Error('no port was given')
    return `http://127.0.0.1:${address.port}`
  }

  async stop() {
    for (const socket of this.#sockets) socket.destroy()
    this.listener.close()
    await once(this.listener, 'close')
  }

  /**
   * @param {Socket} from
   * @param {Socket} to
   */
  #join(from, to) {
    this.#sockets.add(from)
    /** @type {Buffer[]} */
    const waiting = []
    let due = false
    const flush = () => {
      due = false
      for (const chunk of waiting.splice(0)) to.write(chunk)
    }
    from.on('data', chunk => {
      waiting.push(chunk)
      if (due) return
      if (this.delayMax === 0) {
        flush()
        return
      }
      due = true
      setTimeout(flush, this.chance() * this.delayMax)
    })
    from.on('error', () => to.destroy())
    from.on('close', () => {
      this.#sockets.delete(from)
      flush()
      to.end()
    })
  }
}
