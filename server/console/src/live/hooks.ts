/**
 * React's view of the client's handles.
 *
 * Invariant: nothing is copied into React state that a handle already holds; components read
 * frozen snapshots through `useSyncExternalStore`. Knows no kind and no field.
 */

import type { Collection, Entity, IndelibleClient, Item, SyncStatus } from 'indelible'
import { useCallback, useEffect, useState, useSyncExternalStore } from 'react'

export function useClientStatus(client: IndelibleClient): SyncStatus {
  const subscribe = useCallback((told: () => void) => client.subscribe(told), [client])
  return useSyncExternalStore(subscribe, () => client.status)
}

export function useValue<T extends object>(entity: Entity<T>): T | undefined {
  const subscribe = useCallback((told: () => void) => entity.subscribe(told), [entity])
  return useSyncExternalStore(subscribe, () => entity.value)
}

export function useStatus<T extends object>(entity: Entity<T>): SyncStatus {
  const subscribe = useCallback((told: () => void) => entity.subscribeStatus(told), [entity])
  return useSyncExternalStore(subscribe, () => entity.status)
}

export interface ItemsState<T> {
  readonly items: readonly Item<T>[]
  /** All that there are have arrived. */
  readonly complete: boolean
  readonly error: Error | null
}

export function useItems<T extends object>(collection: Collection<T>): ItemsState<T> {
  const subscribe = useCallback((told: () => void) => collection.subscribe(told), [collection])
  const items = useSyncExternalStore(subscribe, () => collection.value)
  const arrival = useArrival(collection)
  return { items, ...arrival }
}

/** Whether a first value came, or why none will. */
export function useArrival(handle: { ready(): Promise<unknown> }): {
  complete: boolean
  error: Error | null
} {
  const [arrival, setArrival] = useState<{ of: unknown; complete: boolean; error: Error | null }>({
    of: handle,
    complete: false,
    error: null,
  })
  useEffect(() => {
    let current = true
    handle.ready().then(
      () => current && setArrival({ of: handle, complete: true, error: null }),
      (error: Error) => current && setArrival({ of: handle, complete: false, error }),
    )
    return () => {
      current = false
    }
  }, [handle])
  return arrival.of === handle ? arrival : { complete: false, error: null }
}
