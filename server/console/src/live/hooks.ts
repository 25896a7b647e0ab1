/**
 * React's view of the client's handles.
 *
 * Nothing that a handle holds is copied into React state: components read frozen snapshots through
 * `useSyncExternalStore`.
 */

import type {
  Collection,
  Conflict,
  Entity,
  Fault,
  IndelibleClient,
  Item,
  SyncStatus,
} from 'indelible'
import { useCallback, useSyncExternalStore } from 'react'

export function useClientStatus(client: IndelibleClient): SyncStatus {
  const subscribe = useCallback((told: () => void) => client.subscribe(told), [client])
  return useSyncExternalStore(subscribe, () => client.status)
}

export function useValue<T extends object>(entity: Entity<T>): T | undefined {
  const subscribe = useCallback((told: () => void) => entity.subscribe(told), [entity])
  return useSyncExternalStore(subscribe, () => entity.value)
}

export function useStatus(handle: Pick<Entity, 'status' | 'subscribeStatus'>): SyncStatus {
  const subscribe = useCallback((told: () => void) => handle.subscribeStatus(told), [handle])
  return useSyncExternalStore(subscribe, () => handle.status)
}

export function useConflicts<T extends object>(entity: Entity<T>): readonly Conflict[] {
  const subscribe = useCallback((told: () => void) => entity.subscribeConflicts(told), [entity])
  return useSyncExternalStore(subscribe, () => entity.conflicts)
}

export interface ItemsState<T> {
  readonly items: readonly Item<T>[]
  /** All that there are have arrived. */
  readonly complete: boolean
  readonly error: Fault | null
}

export function useItems<T extends object>(collection: Collection<T>): ItemsState<T> {
  const subscribe = useCallback((told: () => void) => collection.subscribe(told), [collection])
  const items = useSyncExternalStore(subscribe, () => collection.value)
  const { error, lastSyncTime } = useStatus(collection)
  return { items, complete: lastSyncTime !== null && error === null, error }
}
