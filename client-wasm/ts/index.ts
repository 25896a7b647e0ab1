/** Indelible: keeps entities in sync with a server, live, with a policy that protects fields. */

export { IndelibleClient } from './client.js'
export { Collection, type Item } from './collection.js'
export { Entity, type ValueListener } from './entity.js'
export { IndelibleError, PolicyError } from './errors.js'
export type {
  ClientOptions,
  Draft,
  Dropped,
  EntityMode,
  Fault,
  JsonObject,
  JsonValue,
  MergeOptions,
  MergeResult,
  Partially,
  Patch,
  Principal,
  SyncState,
  SyncStatus,
  TokenReason,
  TokenSource,
  Unsubscribe,
  Violation,
  WasmSource,
  WasmSources,
  WebSocketConstructor,
  WebSocketLike,
} from './types.js'
