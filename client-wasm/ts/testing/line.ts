// A line between a client and a server that can go dead without a word, as networks do: everything is
// swallowed and nothing is closed.

import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export class Line {
  readonly url: string
  /** Whether what is said on this line is swallowed; those who connect meanwhile find nobody. */
  dead = false
  /** How many connections were made. */
  connections = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server, target: URL) {
    this.#server = server
    const { port } = server.address() as AddressInfo
    this.url = `${target.protocol}//127.0.0.1:${port}${target.pathname}`
    server.on('connection', near => {
      this.connections += 1
      const far = connect(Number(target.port), target.hostname)
      this.#join(near, far)
      this.#join(far, near)
    })
  }

  static async to(url: string): Promise<Line> {
    const server = createServer()
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return new Line(server, new URL(url))
  }

  async cut(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #join(from: Socket, to: Socket): void {
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
