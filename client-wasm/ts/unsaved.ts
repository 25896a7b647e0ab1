/**
 * Asks before a tab with unsaved edits is closed, reloaded or left.
 *
 * The page has a `beforeunload` listener only while something is unsaved: browsers do not keep a page
 * with one for going back.
 */

/** What this module needs of a browser's window. */
interface Tab {
  readonly document?: unknown
  addEventListener?(type: 'beforeunload', listener: (event: Event) => void): void
  removeEventListener?(type: 'beforeunload', listener: (event: Event) => void): void
  confirm?(question: string): boolean
}

const tab = globalThis as Tab

/** The guard of one client. */
export class UnsavedGuard {
  #enabled: boolean
  #pending = 0
  /** How many text boxes keep letters that were refused. */
  #boxes = 0
  #armed = false
  readonly #hold = (event: Event): void => {
    event.preventDefault()
    // What older browsers look at.
    Reflect.set(event, 'returnValue', true)
  }

  constructor(enabled: boolean) {
    this.#enabled = enabled && tab.document !== undefined
  }

  /** Edits, requests and boxes with letters that the server does not have. */
  get count(): number {
    return this.#pending + this.#boxes
  }

  /** Guards the tab while anything is pending. */
  update(pending: number): void {
    this.#pending = pending
    this.#arm()
  }

  /** A text box keeps letters that were refused (1), or does not any more (-1). */
  keep(boxes: 1 | -1): void {
    this.#boxes += boxes
    this.#arm()
  }

  /** Ends the guard. */
  end(): void {
    this.#enabled = false
    this.#arm()
  }

  #arm(): void {
    const armed = this.#enabled && this.count > 0
    if (armed === this.#armed) return
    this.#armed = armed
    if (armed) tab.addEventListener?.('beforeunload', this.#hold)
    else tab.removeEventListener?.('beforeunload', this.#hold)
  }
}

/** The browser's own question, where there is one. */
export function askByBrowser(pending: number): boolean | undefined {
  const edits = pending === 1 ? '1 edit is' : `${pending} edits are`
  return tab.confirm?.(`${edits} not saved yet and would be lost. Sign out all the same?`)
}
