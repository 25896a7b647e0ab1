/** Indelible: keeps entities in sync with a server, live, with a policy that protects fields. */

export { type BindTextOptions, bindText, type TextElement } from './bind-text.js'
export { IndelibleClient } from './client.js'
export { Collection, type Item } from './collection.js'
export type { Author, Conflict, ConflictListener } from './conflicts.js'
export { Entity, type ValueListener } from './entity.js'
export { IndelibleError, PolicyError } from './errors.js'
export { JsonError } from './json.js'
export type { RefusalCode } from './refusal-codes.js'
export type { Splice } from './text.js'
export type {
  Bytes,
  Change,
  ClientOptions,
  CompiledModule,
  Draft,
  Dropped,
  EntityMode,
  Fault,
  JsonObject,
  JsonValue,
  KindRights,
  MergeOptions,
  MergeResult,
  Partially,
  Patch,
  Principal,
  ResponseLike,
  SignOutOptions,
  SyncState,
  SyncStatus,
  TextSplice,
  TokenReason,
  TokenSource,
  Unsubscribe,
  UrlLike,
  ValueNews,
  Violation,
  WasmSource,
  WasmSources,
  WebSocketConstructor,
  WebSocketLike,
} from './types.js'
