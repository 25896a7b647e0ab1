/** Asks before the tab is closed or reloaded while it holds what is nowhere else. */

import { useEffect } from 'react'

/** For what the client does not know of: letters that are not accepted, forms that are not sent. */
export function useGuard(active: boolean): void {
  useEffect(() => {
    if (!active) return
    const hold = (event: Event) => event.preventDefault()
    addEventListener('beforeunload', hold)
    return () => removeEventListener('beforeunload', hold)
  }, [active])
}
