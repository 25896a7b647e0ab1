/**
 * The core that a client uses: loaded when something is first asked of it, exchanged for the full
 * one when something that is followed must be a replica, and restarted after a trap.
 *
 * At most one core is in use. One that takes over knows nothing: its client opens everything again.
 */

import { Core } from './core.js'
import { closedError, type IndelibleError } from './errors.js'
import { type CoreName, coreSource, firstCore } from './load.js'
import type { ClientOptions, Unsubscribe } from './types.js'

/** What a client does about its cores. */
export interface CoresHost {
  /** Whether an answer is waited for that only the core in use can take. */
  readonly waiting: boolean
  /** A core is being loaded for the first time. */
  onLoading(): void
  /** A core cannot be had. */
  onFailed(error: IndelibleError): void
  /** This core is in use now, and knows nothing yet. */
  onStarted(core: Core): void
  /** The full core has taken over: the connection must be a new one. */
  onExchanged(): void
  /** The instance of the core is dead, with all it held. */
  onDied(error: IndelibleError): void
  /** A new instance is in use in the place of one that died. */
  onRestarted(): void
}

/** The cores of one client. */
export class Cores {
  readonly #options: ClientOptions
  readonly #client: string
  readonly #host: CoresHost
  readonly #unwatchTraps: Unsubscribe
  #current: Core | null = null
  #loading: Promise<Core> | null = null
  /** Whether the reader core is to be replaced by the full one as soon as that is possible. */
  #exchanging = false
  #ended = false

  /** `client`: the name for the server's log. */
  constructor(options: ClientOptions, client: string, host: CoresHost) {
    this.#options = options
    this.#client = client
    this.#host = host
    this.#unwatchTraps = Core.watch(error => this.#restart(error))
  }

  /** The core in use; `null` before it is loaded and after the end. */
  get current(): Core | null {
    return this.#current
  }

  /** The core in use, loaded if need be. */
  async get(): Promise<Core> {
    this.#loading ??= this.#load()
    const core = await this.#loading
    // It may have been exchanged while it was waited for.
    return this.#current ?? core
  }

  /** Something that is followed must be a replica: the full core takes over. */
  async exchange(): Promise<void> {
    await this.#fetch('full')
    this.#exchanging = true
    this.takeOver()
  }

  /** Exchanges the core, if that is due and no answer is waited for any more. */
  takeOver(): void {
    const before = this.#current
    if (!this.#exchanging || before === null || this.#host.waiting) return
    this.#exchanging = false
    const core = this.#use('full')
    before.free()
    this.#host.onStarted(core)
    this.#host.onExchanged()
  }

  /** Whether the core waits to be exchanged. */
  get exchanging(): boolean {
    return this.#exchanging
  }

  /** Gives the core up. */
  end(): void {
    this.#ended = true
    this.#unwatchTraps()
    this.#current?.free()
    this.#current = null
  }

  async #load(): Promise<Core> {
    this.#host.onLoading()
    const name = firstCore(this.#options)
    try {
      await this.#fetch(name)
    } catch (error) {
      this.#loading = null
      throw error
    }
    if (this.#ended) throw closedError()
    const core = Core.start(name, this.#client)
    this.#current = core
    this.#host.onStarted(core)
    return core
  }

  async #fetch(name: CoreName): Promise<void> {
    try {
      await Core.load(name, coreSource(name, this.#options))
    } catch (error) {
      this.#host.onFailed(error as IndelibleError)
      throw error
    }
  }

  #use(name: CoreName): Core {
    const core = Core.start(name, this.#client)
    this.#current = core
    this.#loading = Promise.resolve(core)
    return core
  }

  /** An instance of a core has died; is it ours? */
  #restart(error: IndelibleError): void {
    if (!this.#current?.dead) return
    this.#host.onDied(error)
    const core = this.#use(this.#current.name)
    this.#host.onStarted(core)
    // The status reports it until the next welcome.
    core.disconnected(error)
    this.#host.onRestarted()
  }
}
