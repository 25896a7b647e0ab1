/** Where in the backoffice we are, as the address says after `#`. */

import { useSyncExternalStore } from 'react'

export interface Route {
  readonly page: 'settings' | 'team'
  readonly id: string | undefined
}

function subscribe(told: () => void): () => void {
  window.addEventListener('hashchange', told)
  return () => window.removeEventListener('hashchange', told)
}

export function useRoute(): Route {
  const hash = useSyncExternalStore(subscribe, () => location.hash)
  const [page, id] = hash.replace(/^#\/?/, '').split('/')
  return page === 'team' ? { page, id: id || undefined } : { page: 'settings', id: undefined }
}

export function go(hash: string): void {
  location.hash = hash
}
