/** What the browser keeps for a page. A browser that is set to keep nothing throws when asked. */

type Where = 'localStorage' | 'sessionStorage'

export function recall(where: Where, key: string): string | null {
  try {
    return globalThis[where].getItem(key)
  } catch {
    return null
  }
}

/** Keeps a text, or forgets it; where nothing is kept, it holds as long as the page. */
export function keep(where: Where, key: string, text: string | null): void {
  try {
    if (text === null) globalThis[where].removeItem(key)
    else globalThis[where].setItem(key, text)
  } catch {
    // Nobody needs to know: after the next load of the page it is asked for again.
  }
}
