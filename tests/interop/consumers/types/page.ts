/** What a page gives the package: its own elements, sockets, URLs and modules. */

import {
  bindText,
  type CompiledModule,
  type Entity,
  IndelibleClient,
  type TextElement,
  type WebSocketConstructor,
} from 'indelible'
import values from 'indelible/wasm/values.wasm'
import whole from 'indelible/wasm/whole.wasm'
import manifest from './manifest.js'

export { program } from './anywhere.js'

declare const module: WebAssembly.Module
declare const buffer: BufferSource
declare const area: HTMLTextAreaElement
declare const input: HTMLInputElement
declare const either: HTMLTextAreaElement | HTMLInputElement

export const Socket: WebSocketConstructor = WebSocket
export const compiled: CompiledModule = module
export const element: TextElement = either

export async function page(): Promise<void> {
  for (const source of [module, buffer, await fetch(values), new URL(whole), values]) {
    for (const wasm of [source, { whole: source, values: source }]) {
      new IndelibleClient({ url: new URL('/sync', location.href), wasm, WebSocket, name: manifest })
    }
  }
  const client = new IndelibleClient({ url: location, WebSocket: globalThis.WebSocket })
  const entity: Entity = client.entity('settings')
  entity.bindText('/a', area)
  bindText(input, entity, '/b')
}
