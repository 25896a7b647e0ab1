/** What a tab holds that exists nowhere else: it asks before the tab is closed and before signing out. */

import { useEffect, useSyncExternalStore } from 'react'

let held = 0
const listeners = new Set<() => void>()

function change(by: number): void {
  held += by
  for (const listener of [...listeners]) listener()
}

/**
 * For what the client does not know of: letters that are not accepted, forms that are not sent, and
 * what was lost as long as it is shown.
 */
export function useGuard(active: boolean): void {
  useEffect(() => {
    if (!active) return
    const hold = (event: Event) => event.preventDefault()
    addEventListener('beforeunload', hold)
    change(1)
    return () => {
      removeEventListener('beforeunload', hold)
      change(-1)
    }
  }, [active])
}

/** Whether the tab holds such a thing. */
export function holdsMore(): boolean {
  return held > 0
}

export function useHoldsMore(): boolean {
  return useSyncExternalStore(listener => {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }, holdsMore)
}
