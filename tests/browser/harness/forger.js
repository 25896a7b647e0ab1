/**
 * A client that obeys nothing: it speaks the protocol's frames and makes Automerge changes by
 * itself, with no policy in between.
 *
 * Must never import `indelible`: that would be the client whose checks it is to get around.
 */

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import * as Automerge from '@automerge/automerge'
import { decode, encode } from 'cborg'
import WebSocket from 'ws'
import { until } from './until.js'

/** @typedef {Record<string, any>} Fields */

export class Forger {
  /** @type {{ name: string, fields: Fields }[]} */
  #frames = []

  /** @param {WebSocket} socket */
  constructor(socket) {
    this.socket = socket
    socket.on('message', data => {
      const frame = /** @type {Record<string, Fields>} */ (
        decode(new Uint8Array(/** @type {Buffer} */ (data)), { useMaps: false })
      )
      for (const [name, fields] of Object.entries(frame)) this.#frames.push({ name, fields })
    })
  }

  /**
   * @param {string} url of the server
   * @param {string} token
   */
  static async connect(url, token) {
    const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/sync`, 'indelible.v1')
    const forger = new Forger(socket)
    await once(socket, 'open')
    forger.send('hello', { protocol: 1, token, client: 'forger' })
    await forger.frame('welcome')
    return forger
  }

  /**
   * @param {string} name
   * @param {Fields} fields
   */
  send(name, fields) {
    this.socket.send(encode({ [name]: fields }))
  }

  /**
   * The next frame of one of these names that fits, taken out of what has arrived.
   *
   * @param {string | string[]} names
   * @param {(fields: Fields) => boolean} [fits]
   * @returns {Promise<{ name: string, fields: Fields }>}
   */
  frame(names, fits = () => true) {
    return until(`a frame ${names}`, () => {
      const at = this.#frames.findIndex(
        ({ name, fields }) => [names].flat().includes(name) && fits(fields),
      )
      return at < 0 ? undefined : this.#frames.splice(at, 1)[0]
    })
  }

  /**
   * @param {string} entity
   * @returns {Promise<{ epoch: number, document: Uint8Array }>}
   */
  async open(entity) {
    this.send('open', { entity, mode: 'replica' })
    const { fields } = await this.frame('snapshot', snapshot => snapshot.entity === entity)
    return { epoch: Number(fields.epoch), document: fields.document }
  }

  /**
   * Proposes changes and waits for the verdict.
   *
   * @param {string} entity
   * @param {number} epoch
   * @param {Uint8Array[]} changes
   */
  async propose(entity, epoch, changes) {
    const id = new Uint8Array(randomBytes(16))
    this.send('propose', { id, entity, epoch, changes })
    return this.frame(['admitted', 'refused', 'error'], answer => equal(answer.id, id))
  }

  async close() {
    const closed = once(this.socket, 'close')
    this.socket.close(1000)
    await closed
  }
}

/**
 * @param {unknown} left
 * @param {Uint8Array} right
 */
function equal(left, right) {
  return left instanceof Uint8Array && Buffer.compare(left, right) === 0
}

/** An actor that was not used before, in the range that clients may use. */
export function freshActor() {
  return `01${randomBytes(15).toString('hex')}`
}

/**
 * One change by a fresh actor, made on everything that the document holds.
 *
 * @param {Uint8Array} document
 * @param {(draft: any) => void} edit
 */
export function forge(document, edit) {
  const base = Automerge.load(document, { actor: freshActor() })
  return changeOf(base, edit)
}

/**
 * The same on stale dependencies: as if nothing had happened since the genesis.
 *
 * @param {Uint8Array} document
 * @param {(draft: any) => void} edit
 */
export function forgeOnGenesis(document, edit) {
  const [genesis] = Automerge.getAllChanges(Automerge.load(document))
  if (!genesis) throw new Error('the document has no genesis')
  const [base] = Automerge.applyChanges(Automerge.init({ actor: freshActor() }), [genesis])
  return changeOf(base, edit)
}

/**
 * @param {Automerge.Doc<unknown>} base
 * @param {(draft: any) => void} edit
 * @returns {Uint8Array}
 */
function changeOf(base, edit) {
  const next = Automerge.change(base, { time: 0 }, edit)
  const change = Automerge.getLastLocalChange(next)
  if (!change) throw new Error('the edit changed nothing')
  return change
}

/**
 * A string as one value; a plain JavaScript string would make a text.
 *
 * @param {string} value
 */
export function scalar(value) {
  return new Automerge.ImmutableString(value)
}
