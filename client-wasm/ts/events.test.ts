// Guards against events that the core writes and TypeScript reads otherwise: a file with one of each,
// which a test in Rust (tests/session/events.rs) holds to what the core writes, is held to the types.

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { ConflictReport, CoreEvent } from './core-events.js'
import type {
  Dropped,
  EntityMode,
  Fault,
  KindRights,
  Principal,
  SyncState,
  SyncStatus,
  Violation,
} from './types.js'

interface Json {
  readonly [field: string]: unknown
}

/** Whether a value is of a type, as far as JSON shows it. */
type Check = (value: unknown) => boolean

/** A check for each field of a type: a field more or less does not compile. */
type Shape<T> = { readonly [Field in keyof Required<T>]: Check }

const text: Check = value => typeof value === 'string'
const number: Check = value => typeof value === 'number'
const flag: Check = value => typeof value === 'boolean'
const json: Check = () => true
const list =
  (each: Check): Check =>
  value =>
    Array.isArray(value) && value.every(each)
const or =
  (...checks: readonly Check[]): Check =>
  value =>
    checks.some(check => check(value))
const absent: Check = value => value === undefined
const none: Check = value => value === null

/** One of the words of a type, all of which are listed. */
function word<Word extends string>(words: Readonly<Record<Word, true>>): Check {
  return value => typeof value === 'string' && Object.hasOwn(words, value)
}

function object<T>(shape: Shape<T>): Check {
  return value => {
    if (typeof value !== 'object' || value === null) return false
    const fields: Json = { ...value }
    const known = Object.entries<Check>(shape)
    return (
      Object.keys(fields).every(field => Object.hasOwn(shape, field)) &&
      known.every(([field, check]) => check(fields[field]))
    )
  }
}

const MODES: Readonly<Record<EntityMode, true>> = { replica: true, value: true }
const STATES: Readonly<Record<SyncState, true>> = {
  offline: true,
  connecting: true,
  syncing: true,
  synced: true,
  refused: true,
  gone: true,
  'no-access': true,
}

const author = object<NonNullable<Dropped['by']>>({ id: text, name: or(text, none, absent) })
const fault: Shape<Fault> = { code: text, message: text }
const violation = object<Violation>({
  change: number,
  ops: list(number),
  pointer: text,
  rule: text,
  attempted: json,
  kept: json,
  holder: or(text, absent),
  bound: json,
  message: text,
})
const dropped = object<Dropped>({
  pointer: text,
  reason: word<Dropped['reason']>({
    refused: true,
    depends: true,
    gone: true,
    forbidden: true,
    forgotten: true,
  }),
  rule: or(text, absent),
  attempted: json,
  text: or(text, absent),
  by: or(author, absent),
  operations: number,
})
const status = object<SyncStatus>({
  state: word(STATES),
  pending: number,
  lastSyncTime: or(number, none),
  violations: list(violation),
  dropped: list(dropped),
  error: or(object(fault), none),
})
const kind = object<KindRights>({
  kind: text,
  singleton: flag,
  mode: word({ ...MODES, none: true }),
  create: flag,
  delete: flag,
})
const conflict = object<ConflictReport>({
  pointer: text,
  mine: json,
  stands: json,
  by: or(author, none),
  at: or(number, none),
})
const patch = list(object({ op: text, path: text, index: number, remove: number, insert: text }))
// An older server leaves the name out.
const principal = object<Principal>({
  id: text,
  name: or(text, none, absent),
  roles: list(text),
})

type Of<Type extends CoreEvent['type']> = Omit<Extract<CoreEvent, { type: Type }>, 'type'>

/** A shape for each event; one that the core no longer has, or newly has, makes a test fail. */
const EVENTS: { readonly [Type in CoreEvent['type']]: Shape<Of<Type>> } = {
  welcome: { principal, kinds: list(kind) },
  status: { entity: or(text, none), status },
  value: { entity: text, mode: word(MODES), value: json, revision: or(number, none) },
  patch: { entity: text, patch, revision: or(number, none), local: flag },
  gone: { entity: text, ...fault },
  saved: { entity: text, edit: number },
  conflicts: { entity: text, conflicts: list(conflict) },
  refused: {
    entity: text,
    edit: number,
    settled: number,
    violations: list(violation),
    dropped: list(dropped),
    ...fault,
  },
  item: { entity: text, value: json },
  'item-patch': { entity: text, patch },
  'item-gone': { entity: text },
  watched: { kind: text, entities: list(text) },
  unwatchable: { kind: text, ...fault },
  done: { request: number, entity: text },
  'request-failed': { request: number, violations: list(violation), ...fault },
  'token-expiring': {},
  pause: { millis: number },
  'needs-full-core': {},
  disconnect: { reason: text },
}

interface Example extends Json {
  readonly type: CoreEvent['type']
  readonly status?: SyncStatus
}

const path = new URL('./testing/events.json', import.meta.url)
const examples = JSON.parse(readFileSync(path, 'utf8')) as readonly Example[]

test('there is an example of each event, and none of another', () => {
  const types = new Set(examples.map(example => example.type))
  expect([...types].sort()).toEqual(Object.keys(EVENTS).sort())
  const states = examples.map(example => example.status?.state)
  expect(new Set(states.filter(Boolean))).toEqual(new Set(Object.keys(STATES)))
})

test.each(examples)('the event $type is of the type that is declared for it', example => {
  const { type, ...fields } = example
  expect(object(EVENTS[type])(fields), JSON.stringify(example)).toBe(true)
})

test('a field more, a field less and a wrong value are found', () => {
  const saved = object<Of<'saved'>>(EVENTS.saved)
  expect(saved({ entity: 'team/jane', edit: 1 })).toBe(true)
  expect(saved({ entity: 'team/jane', edit: 1, more: 1 })).toBe(false)
  expect(saved({ entity: 'team/jane' })).toBe(false)
  expect(saved({ entity: 'team/jane', edit: '1' })).toBe(false)
})
