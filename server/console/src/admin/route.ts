/** Where in the backoffice we are, as the address says after `#`. */

import { useSyncExternalStore } from 'react'

export const COLLECTIONS = ['team', 'services', 'solutions'] as const
export type CollectionKind = (typeof COLLECTIONS)[number]

export interface Route {
  readonly page: 'settings' | CollectionKind
  readonly id: string | undefined
}

function subscribe(told: () => void): () => void {
  window.addEventListener('hashchange', told)
  return () => window.removeEventListener('hashchange', told)
}

export function useRoute(): Route {
  const hash = useSyncExternalStore(subscribe, () => location.hash)
  const [page, id] = hash.replace(/^#\/?/, '').split('/')
  const kind = COLLECTIONS.find(one => one === page)
  return kind ? { page: kind, id: id || undefined } : { page: 'settings', id: undefined }
}

export function go(hash: string): void {
  location.hash = hash
}
