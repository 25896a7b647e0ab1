/** Statuses as clients and entities show them. */

import type { SyncStatus } from './types.js'

/** Nothing is known yet. */
export const IDLE: SyncStatus = Object.freeze({
  state: 'offline',
  pending: 0,
  lastSyncTime: null,
  violations: Object.freeze([]),
  dropped: Object.freeze([]),
  error: null,
})

/** A status that nobody can change. */
export function frozen(status: SyncStatus): SyncStatus {
  return Object.freeze({
    ...status,
    violations: Object.freeze(status.violations),
    dropped: Object.freeze(status.dropped),
  })
}
