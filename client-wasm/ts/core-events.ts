/**
 * The events of the core, as the JSON that it hands over. `src/event.rs` has the same in Rust, and
 * `testing/events.json` one of each, which tests on both sides hold themselves to.
 */

import type {
  Change,
  Dropped,
  EntityMode,
  Fault,
  JsonValue,
  KindRights,
  Principal,
  SyncStatus,
  Violation,
} from './types.js'

/** A conflict as the core reports it. */
export interface ConflictReport {
  readonly pointer: string
  readonly mine?: JsonValue
  readonly stands?: JsonValue
  readonly by: { readonly id: string; readonly name?: string | null } | null
  readonly at: number | null
}

/** Something that happened in the core. */
export type CoreEvent =
  | {
      readonly type: 'welcome'
      readonly principal: Principal
      readonly kinds: readonly KindRights[]
    }
  | { readonly type: 'status'; readonly entity: string | null; readonly status: SyncStatus }
  | {
      readonly type: 'value'
      readonly entity: string
      readonly mode: EntityMode
      readonly value: JsonValue
      /** Names this value as the base of later edits; `null` in value mode. */
      readonly revision: number | null
    }
  | {
      readonly type: 'patch'
      readonly entity: string
      readonly patch: readonly Change[]
      readonly revision: number | null
      /** Whether it is an edit that was made here. */
      readonly local: boolean
    }
  | ({ readonly type: 'gone'; readonly entity: string } & Fault)
  | { readonly type: 'saved'; readonly entity: string; readonly edit: number }
  | {
      readonly type: 'conflicts'
      readonly entity: string
      /** All that are not settled. */
      readonly conflicts: readonly ConflictReport[]
    }
  | ({
      readonly type: 'refused'
      readonly entity: string
      /** The ordinal of the first edit that lost something. */
      readonly edit: number
      /** The ordinal up to which every edit is saved or lost as a whole. */
      readonly settled: number
      readonly violations: readonly Violation[]
      readonly dropped: readonly Dropped[]
    } & Fault)
  | { readonly type: 'item'; readonly entity: string; readonly value: JsonValue }
  | { readonly type: 'item-patch'; readonly entity: string; readonly patch: readonly Change[] }
  | { readonly type: 'item-gone'; readonly entity: string }
  | { readonly type: 'watched'; readonly kind: string; readonly entities: readonly string[] }
  | ({ readonly type: 'unwatchable'; readonly kind: string } & Fault)
  | { readonly type: 'done'; readonly request: number; readonly entity: string }
  | ({
      readonly type: 'request-failed'
      readonly request: number
      readonly violations: readonly Violation[]
    } & Fault)
  /** The token ends soon. */
  | { readonly type: 'token-expiring' }
  /** Something waits to be sent for so many milliseconds, as the server asked. */
  | { readonly type: 'pause'; readonly millis: number }
  /** Something that is followed must be a replica, and the reader core has none. */
  | { readonly type: 'needs-full-core' }
  | { readonly type: 'disconnect'; readonly reason: string }
