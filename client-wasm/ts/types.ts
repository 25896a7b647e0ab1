/** The public shapes of the client: values, statuses, options. No behaviour. */

/** Any JSON value, as the server presents it. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }

/** A JSON object: the value of every entity. */
export type JsonObject = { readonly [key: string]: JsonValue }

/** One operation of a JSON Patch (RFC 6902). */
export type Patch =
  | { readonly op: 'add' | 'replace' | 'test'; readonly path: string; readonly value: JsonValue }
  | { readonly op: 'remove'; readonly path: string }
  | { readonly op: 'move' | 'copy'; readonly from: string; readonly path: string }

/** A part of a text that was replaced, in UTF-16 code units. */
export interface TextSplice {
  readonly op: 'splice'
  /** JSON Pointer of the text. */
  readonly path: string
  /** Where it begins. */
  readonly index: number
  /** How many code units went. */
  readonly remove: number
  /** What came in their place. */
  readonly insert: string
}

/** What changed in a value: an operation of a JSON Patch, or a part of a text. */
export type Change = Patch | TextSplice

/** What a change of a value was. */
export interface ValueNews {
  /**
   * The changes in order. Those of texts are splices, each where its author's letters went; their
   * paths are those of the new value.
   */
  readonly changes: readonly Change[]
  /** Whether it was an edit that this client made. */
  readonly local: boolean
}

/** A value the way `change` hands it to its recipe: the same shape, writable all the way down. */
export type Draft<T> = T extends readonly (infer Element)[]
  ? Draft<Element>[]
  : T extends object
    ? { -readonly [Key in keyof T]: Draft<T[Key]> }
    : T

/**
 * A part of a value: `merge` leaves what is absent as it is. Arrays are given whole; `null` empties
 * what cannot be `null`.
 */
export type Partially<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { readonly [Key in keyof T]?: Partially<T[Key]> | null }
    : T

/** One rule that an edit broke. */
export interface Violation {
  /** Index of the change within what was proposed. */
  readonly change: number
  /** Indices of the operations within that change; empty: the whole change. */
  readonly ops: readonly number[]
  /** JSON Pointer; items of keyed lists are named by their id. */
  readonly pointer: string
  /** Stable code of the rule. */
  readonly rule: string
  /** What was tried, as far as its author may read it. */
  readonly attempted?: JsonValue
  /** The current value instead, as far as the author may read it. */
  readonly kept?: JsonValue
  /** With the rule `unique`: the name of the entity that has the value. */
  readonly holder?: string
  /**
   * Where the rule is a keyword of JSON Schema that states something: that. The number of
   * `maxLength`, the values of `enum`, the names of the types; for sentences of your own.
   */
  readonly bound?: JsonValue
  /** A sentence for people. */
  readonly message: string
}

/** A part of an edit that was discarded. Parts not listed remain pending. */
export interface Dropped {
  /** JSON Pointer; items of keyed lists are named by their id. */
  readonly pointer: string
  /**
   * - `refused`: the server refused it
   * - `depends`: it depends on something that was dropped
   * - `gone`: others deleted what it changed
   * - `forbidden`: a rule forbids it on the server's present state
   * - `forgotten`: the server had saved it, and went back to a state before it (a restored backup)
   */
  readonly reason: 'refused' | 'depends' | 'gone' | 'forbidden' | 'forgotten'
  /** Stable code of the rule that was broken, if one was. */
  readonly rule?: string
  /** The value, increment or element that was written; of a text, what was typed. */
  readonly attempted?: JsonValue
  /** Of a text: all of it, as it was shown here before a part was lost. */
  readonly text?: string
  /** For `gone`: who deleted what it belonged to, as far as it is known here. */
  readonly by?: { readonly id: string; readonly name?: string | null }
  /** How many operations it covers. */
  readonly operations: number
}

/** Who the server says we are. */
export interface Principal {
  readonly id: string
  readonly name: string | null
  readonly roles: readonly string[]
}

/**
 * How far an entity, a collection or the client is in sync with the server.
 *
 * - `offline`: no connection; see `error` when nothing more is being tried
 * - `connecting`: a connection is being made, or the first state is on its way
 * - `syncing`: connected; our edits are being sent, or missed ones are arriving
 * - `synced`: all our edits are durable on the server, and we have its present state
 * - `refused`: the server refused a part of our edits; see `violations` and `dropped`. The rest remains
 *   pending; see `pending`. Ends with the next edit. Edits of what others deleted count as refused,
 *   with the reason `gone` in `dropped`
 * - `gone`: it does not exist, or no longer does, as far as we may know; `error` says which. The
 *   handle gets a value by itself when it is created or its deletion is undone
 * - `no-access`: we may not read it, or no longer may; see `error`
 */
export type SyncState =
  | 'offline'
  | 'connecting'
  | 'syncing'
  | 'synced'
  | 'refused'
  | 'gone'
  | 'no-access'

/** Why an entity or the whole client cannot continue by itself. */
export interface Fault {
  /** Stable code. */
  readonly code: string
  /** A sentence for people. */
  readonly message: string
}

/** The state of one entity or, summed up, of the client. A frozen object, new whenever it changes. */
export interface SyncStatus {
  readonly state: SyncState
  /** Local edits that are not yet known to be durable on the server. */
  readonly pending: number
  /** When we were last known to be in sync with the server; milliseconds since the Unix epoch. */
  readonly lastSyncTime: number | null
  /** The rules that our edits broke. */
  readonly violations: readonly Violation[]
  /** Everything that our edits lost by that. */
  readonly dropped: readonly Dropped[]
  readonly error: Fault | null
}

/** Which way an entity is kept: a document of its own, or the value with a stream of patches. */
export type EntityMode = 'replica' | 'value'

/** What `merge` and `change` did. */
export interface MergeResult {
  /** Pointers of what was changed; empty: nothing differed. */
  readonly changed: readonly string[]
  /** Pointers of protected fields that were left as they are. */
  readonly preserved: readonly string[]
}

/** How `merge` and `change` go about it. */
export interface MergeOptions<T> {
  /**
   * What to do with protected fields whose value differs. `refuse` (default): throw a `PolicyError`,
   * nothing is applied. `keep`: leave them, and list them in `preserved`.
   */
  readonly protected?: 'refuse' | 'keep'
  /**
   * The value that this edit was made from: an earlier `value` of the entity, the very object. What
   * others changed since is kept then. Needed where the user edits what may no longer be the present
   * value, such as the text in an input box that is drawn later. Default: the present value.
   */
  readonly base?: T
}

/** A `Uint8Array` on a plain buffer: the type has a parameter for that since TypeScript 5.7. */
export type Bytes = ReturnType<Uint8Array['slice']>

/** The part of the WebSocket interface that the client uses; browsers, Node 22 and `ws` provide it. */
export interface WebSocketLike {
  binaryType: string
  readonly readyState: number
  readonly bufferedAmount: number
  send(data: Bytes): void
  close(code?: number, reason?: string): void
  addEventListener(type: 'open' | 'error', listener: () => void): void
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void
  addEventListener(type: 'close', listener: (event: { code: number; reason: string }) => void): void
}

/** Makes WebSockets: `globalThis.WebSocket` or the class of the package `ws`. */
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike

/**
 * Why a token is asked for.
 *
 * - `start`: a connection is being made, the first or one after a break
 * - `expiring`: the token in use ends soon; the connection continues with the fresh one
 * - `rejected`: the server did not accept the last token, or it has ended
 */
export type TokenReason = 'start' | 'expiring' | 'rejected'

/**
 * A token of at most 32 KiB, or how to get one. `null` means anonymous, on purpose. A callback that
 * throws, rejects or gives anything but a token or `null` (`undefined` too) leaves the client without a connection:
 * the status says why, and the callback is asked again later.
 */
export type TokenSource =
  | string
  | ((reason: TokenReason) => string | null | Promise<string | null>)
  | null
  | undefined

/** What the principal may do with a kind. */
export interface KindRights {
  readonly kind: string
  /** Whether there is one entity only, named like the kind. */
  readonly singleton: boolean
  /** How its entities can be followed. */
  readonly mode: EntityMode | 'none'
  readonly create: boolean
  /** Whether entities may be deleted, and deletions undone. */
  readonly delete: boolean
}

/** How to sign out. */
export interface SignOutOptions {
  /** What to do about edits that are not saved: `ask` (default), or `discard` them. */
  readonly pending?: 'ask' | 'discard'
  /**
   * Asks whether to go on although so many edits would be lost; anything but `true` and `false` is an
   * error. Default: the browser's own question.
   */
  readonly confirm?: (status: SyncStatus) => boolean | Promise<boolean>
}

/** Options of `IndelibleClient`. */
export interface ClientOptions {
  /**
   * Where the server is: `ws:`, `wss:`, `http:` or `https:`; the path defaults to `/sync`. In a page it
   * may be relative to the page's own address. Any other URL fails at the first connection:
   * `status.error` has the code `url`.
   */
  readonly url: string | UrlLike
  /**
   * Asked at every connection, and before the token in use ends: while a callback gives tokens, no
   * connection ends for lack of one. A client without this option begins with the small reader core, and
   * fetches the full one when the server lets it have a replica of something it opens.
   */
  readonly token?: TokenSource
  /** Where pending edits and replicas are kept. `memory`: they live as long as the client. */
  readonly store?: 'memory'
  /**
   * Needed where there is no global `WebSocket` (Node 20): without it the first connection fails, and
   * `status.error` has the code `no-websocket`.
   */
  readonly WebSocket?: WebSocketConstructor
  /**
   * The compiled cores, where the package's own files cannot be found (unusual bundlers). A single
   * source is the full core, which is then used for everything.
   */
  readonly wasm?: WasmSource | WasmSources
  /**
   * Whether the browser asks before the tab is closed, reloaded or left while edits are not saved.
   * Default: true. Without effect outside of browsers.
   */
  readonly preventUnsavedChanges?: boolean
  /** A name for the server's logs, such as `acme-admin/2.1`; at most 200 characters. */
  readonly name?: string
  /**
   * Bounds of the waiting time between attempts to connect, in milliseconds, from 1 to 2 ** 31 - 1: at
   * first 250 at most, then twice as much after each failure, up to 30,000, and always between half
   * and all of that.
   */
  readonly reconnect?: { readonly delayMin?: number; readonly delayMax?: number }
  /**
   * When a silent connection is dead, in milliseconds: after `probeAfter` (30,000) without a word the
   * server is asked for a sign of life, also when the page wakes up, and without one within
   * `answerWithin` (5,000) the client connects again.
   */
  readonly silence?: { readonly probeAfter?: number; readonly answerWithin?: number }
}

/**
 * The compiled core or the way to it: a URL, a `Response` or a promise of one, its bytes, or a
 * `WebAssembly.Module`.
 */
export type WasmSource =
  | string
  | UrlLike
  | ResponseLike
  | PromiseLike<ResponseLike>
  | ArrayBuffer
  | ArrayBufferView
  | CompiledModule

// Not the types of the DOM: programs without a page compile against this package too.

/** A `URL`. */
export interface UrlLike {
  readonly href: string
}

/** A `Response` of `fetch`. */
export interface ResponseLike {
  readonly status: number
  arrayBuffer(): Promise<ArrayBuffer>
}

/** A `WebAssembly.Module`, which has no members to know it by. */
export type CompiledModule = object

/** Both compiled cores: the full one, `indelible/wasm/whole.wasm`, and `indelible/wasm/values.wasm`, which is for readers. */
export interface WasmSources {
  readonly whole: WasmSource
  readonly values: WasmSource
}

/** Ends a subscription. */
export type Unsubscribe = () => void
