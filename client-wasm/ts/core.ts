/**
 * The compiled cores: the only module of the package that calls into WebAssembly.
 *
 * They are built with `panic = abort`: a panic is a trap that leaves its memory in any state. After
 * one the instance is discarded with everything in it, is not read from any more, and every client
 * that used it starts over with a new one.
 */

import type { CoreEvent } from './core-events.js'
import { IndelibleError, PolicyError, reasonOf } from './errors.js'
import { type Bindings, type CoreName, loadCore } from './load.js'
import type { Splice } from './text.js'
import type { Fault, MergeResult, Violation, WasmSource } from './types.js'

/** How a merge is to be done; the text the core takes is JSON. */
export interface CoreMerge {
  readonly entity: string
  readonly body: string
  readonly keepProtected: boolean
  /** Whether properties that the body lacks are to be removed. */
  readonly whole: boolean
  /** The revision that the body was made from; the present one if left out. */
  readonly base: number | undefined
}

/** A splice of a text, made on the revision `base` or the present one. */
export interface CoreSplice {
  readonly entity: string
  readonly pointer: string
  readonly splice: Splice
  readonly base: number | undefined
}

/** A place in the value of a replica. */
export interface Located {
  /** JSON Pointer; items of keyed lists are named by their id. */
  readonly pointer: string
  /** The same with indices, as in a JSON Patch. */
  readonly path: string
  /** Whether we may write there. */
  readonly write: boolean
}

/** Cores that are dead need sessions on new instances. */
export type OnTrap = (error: IndelibleError) => void

type Session = InstanceType<Bindings['Session']>

/** A loaded module; each trap begins a new generation of instances. */
interface Loaded {
  readonly name: CoreName
  readonly bindings: Bindings
  generation: number
}

const users = new Set<OnTrap>()
const loaded = new Map<CoreName, Loaded>()

/** One client's part of a core. */
export class Core {
  readonly #session: Session
  readonly #of: Loaded
  readonly #generation: number

  private constructor(of: Loaded, client: string) {
    this.#of = of
    this.#generation = of.generation
    this.#session = new of.bindings.Session(crypto.getRandomValues(new Uint8Array(32)), client)
  }

  /** Fetches and compiles a core, once for all clients of this page or process. */
  static async load(name: CoreName, source: WasmSource | undefined): Promise<void> {
    try {
      const bindings = await loadCore(name, source)
      if (!loaded.has(name)) loaded.set(name, { name, bindings, generation: 0 })
    } catch (cause) {
      const reason = reasonOf(cause)
      const why = reason === '' ? '' : ` (${reason})`
      const message =
        `the WebAssembly core could not be loaded${why}; ` +
        'where a bundler leaves the .wasm files of the package behind, give them as the option wasm'
      throw new IndelibleError('wasm', message, { cause })
    }
  }

  /** A new session on the living instance of a core; `load` must have been awaited. */
  static start(name: CoreName, client: string): Core {
    const of = loaded.get(name)
    if (of === undefined) throw new IndelibleError('internal', `the core ${name} is not loaded`)
    return new Core(of, client)
  }

  /** Calls `onTrap` whenever an instance dies. */
  static watch(onTrap: OnTrap): () => void {
    users.add(onTrap)
    return () => users.delete(onTrap)
  }

  /** Which core it is. */
  get name(): CoreName {
    return this.#of.name
  }

  /** Whether the instance is gone, with all it held. */
  get dead(): boolean {
    return this.#generation !== this.#of.generation
  }

  connecting(): void {
    this.#call(session => session.connecting())
  }

  connected(token: string | undefined): void {
    this.#call(session => session.connected(token))
  }

  authenticate(token: string): void {
    this.#call(session => session.authenticate(token))
  }

  /** Has the status report a fault until the next welcome. */
  report({ code, message }: Fault): void {
    this.#call(session => session.report(code, message))
  }

  /** Asks the server for a sign of life. */
  ping(): void {
    this.#call(session => session.ping())
  }

  disconnected(fault: Fault | null): void {
    this.#call(session => session.disconnected(fault?.code, fault?.message))
  }

  /** Returns whether the frame could be read; after `false` the connection must be closed. */
  handleFrame(frame: Uint8Array): boolean {
    return this.#call(session => session.handleFrame(frame, Date.now()))
  }

  /** The next frame to send. */
  pollTransmit(): Uint8Array<ArrayBuffer> | undefined {
    return this.#call(session => session.pollTransmit(Date.now())) as
      | Uint8Array<ArrayBuffer>
      | undefined
  }

  /** Everything that happened since the last call. */
  pollEvents(): readonly CoreEvent[] {
    const text = this.#call(session => session.pollEvents())
    return text === undefined ? [] : (JSON.parse(text) as readonly CoreEvent[])
  }

  open(entity: string): void {
    this.#call(session => session.open(entity))
  }

  close(entity: string): void {
    this.#call(session => session.close(entity))
  }

  /** Asks for the whole value again, because patches no longer fit. */
  resync(entity: string): void {
    this.#call(session => session.resync(entity))
  }

  watch(kind: string): void {
    this.#call(session => session.watch(kind))
  }

  unwatch(kind: string): void {
    this.#call(session => session.unwatch(kind))
  }

  merge(merge: CoreMerge): MergeResult {
    const { entity, body, keepProtected, whole, base } = merge
    const answer = this.#call(session =>
      session.merge(entity, body, keepProtected, whole, base, Date.now()),
    )
    return JSON.parse(answer) as MergeResult
  }

  splice({ entity, pointer, splice, base }: CoreSplice): MergeResult {
    const { index, remove, insert } = splice
    const answer = this.#call(session =>
      session.splice(entity, pointer, index, remove, insert, base, Date.now()),
    )
    return JSON.parse(answer) as MergeResult
  }

  /** Finds a place in the value of a replica; `null` when it is not there. */
  locate(entity: string, pointer: string): Located | null {
    const text = this.#call(session => session.locate(entity, pointer))
    return text === undefined ? null : (JSON.parse(text) as Located)
  }

  /** Writes something again that was dropped. */
  bringBack(entity: string, dropped: string): MergeResult {
    const answer = this.#call(session => session.bringBack(entity, dropped, Date.now()))
    return JSON.parse(answer) as MergeResult
  }

  /** Writes our value of a conflict again. */
  keep(entity: string, pointer: string): void {
    this.#call(session => session.keep(entity, pointer, Date.now()))
  }

  /** Forgets a conflict. */
  dismiss(entity: string, pointer: string): void {
    this.#call(session => session.dismiss(entity, pointer))
  }

  /** The ordinal of the last local edit; 0: none. */
  edits(entity: string): number {
    return this.#call(session => session.edits(entity))
  }

  /** Asks for a new entity; the answer is a `done` or `not-done` with this number. */
  create(entity: string, value: string): number {
    return this.#call(session => session.create(entity, value, Date.now()))
  }

  /** Asks for an entity to be deleted; answered like `create`. */
  delete(entity: string): number {
    return this.#call(session => session.delete(entity, Date.now()))
  }

  /** Asks for a deletion to be undone; answered like `create`. */
  undelete(entity: string): number {
    return this.#call(session => session.undelete(entity, Date.now()))
  }

  /** Gives the core's memory back. */
  free(): void {
    if (!this.dead) this.#session.free()
  }

  #call<Result>(use: (session: Session) => Result): Result {
    if (this.dead) {
      throw new IndelibleError('trap', 'this instance of the core has been dropped')
    }
    try {
      return use(this.#session)
    } catch (error) {
      throw this.#explain(error)
    }
  }

  #explain(error: unknown): Error {
    if (typeof error === 'string') return parseError(error)
    if (error instanceof WebAssembly.RuntimeError) return trapped(this.#of, error)
    return error instanceof Error ? error : new IndelibleError('internal', String(error))
  }
}

/** Errors leave the core as JSON text. */
function parseError(text: string): IndelibleError {
  const error = JSON.parse(text) as Fault & { readonly violations?: readonly Violation[] }
  if (error.violations !== undefined) return new PolicyError(error.violations)
  return new IndelibleError(error.code, error.message)
}

function trapped(of: Loaded, cause: WebAssembly.RuntimeError): IndelibleError {
  const error = new IndelibleError('trap', 'the core of the client failed and was started anew', {
    cause,
  })
  of.generation += 1
  of.bindings.__wbg_reset_state()
  // Not at once: the caller of what failed is to see it fail first.
  queueMicrotask(() => {
    for (const onTrap of [...users]) onTrap(error)
  })
  return error
}
