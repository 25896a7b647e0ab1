/** What a program in Node gives the package: the sockets of `ws`, and bytes of files. */

import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { IndelibleClient } from 'indelible'
import { WebSocket } from 'ws'

export { program } from './anywhere.js'

export async function start(): Promise<IndelibleClient> {
  const file = import.meta.resolve('indelible/wasm/whole.wasm')
  const wasm = await readFile(fileURLToPath(file))
  return new IndelibleClient({ url: new URL('wss://example.org'), WebSocket, wasm })
}
