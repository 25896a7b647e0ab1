/** Statuses as clients and entities show them. */

import type { Principal, SyncStatus } from './types.js'

/** Nothing is known yet. */
export const IDLE: SyncStatus = Object.freeze({
  state: 'offline',
  pending: 0,
  lastSyncTime: null,
  violations: Object.freeze([]),
  dropped: Object.freeze([]),
  error: null,
})

/** A frozen status. */
export function frozen(status: SyncStatus): SyncStatus {
  return Object.freeze({
    ...status,
    violations: Object.freeze(status.violations),
    dropped: Object.freeze(status.dropped),
  })
}

/** Who the server says we are. */
export function principalOf({ id, name, roles }: Principal): Principal {
  return Object.freeze({ id, name: name ?? null, roles: Object.freeze(roles) })
}
