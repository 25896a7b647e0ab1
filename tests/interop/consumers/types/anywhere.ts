/** Uses everything that the package offers, with nothing of the DOM and nothing of Node. */

import {
  type Author,
  type BindTextOptions,
  bindText,
  type Change,
  type ClientOptions,
  type Collection,
  type Conflict,
  type ConflictListener,
  type Draft,
  type Dropped,
  type Entity,
  type EntityMode,
  type Fault,
  IndelibleClient,
  IndelibleError,
  type Item,
  JsonError,
  type JsonObject,
  type JsonValue,
  type KindRights,
  type MergeOptions,
  type MergeResult,
  type Partially,
  type Patch,
  PolicyError,
  type Principal,
  type SignOutOptions,
  type Splice,
  type SyncState,
  type SyncStatus,
  type TextElement,
  type TextSplice,
  type TokenReason,
  type TokenSource,
  type Unsubscribe,
  type ValueListener,
  type ValueNews,
  type Violation,
  type WasmSource,
  type WasmSources,
  type WebSocketConstructor,
  type WebSocketLike,
} from 'indelible'

interface Member {
  readonly name: string
  readonly bio?: string
  readonly links: readonly { readonly id: string; readonly href: string }[]
}

declare const Socket: WebSocketConstructor
declare const bytes: Uint8Array
declare const box: TextElement

const token: TokenSource = async (reason: TokenReason) => (reason === 'rejected' ? null : 'token')
const wasm: WasmSources = { whole: bytes, values: 'https://example.org/values.wasm' }
const options: ClientOptions = { url: 'wss://example.org', token, wasm, WebSocket: Socket }

export const client = new IndelibleClient(options)
export const socket: WebSocketLike = new Socket('wss://example.org', [])
export const source: WasmSource = bytes.buffer
socket.send(bytes.slice())

export async function program(): Promise<readonly Unsubscribe[]> {
  const { entity, subscribe, signOut } = client
  const member: Entity<Member> = entity<Member>('team/jane')
  const untyped: Entity = entity('team/jane')
  const value: Member = await member.ready()
  const base: MergeOptions<Member> = { base: value, protected: 'keep' }
  const part: Partially<Member> = { links: [{ id: '1', href: 'https://example.org' }] }
  const { changed, preserved }: MergeResult = member.merge(part, base)
  member.change((draft: Draft<Member>) => {
    draft.links.push({ id: '2', href: [...changed, ...preserved].join() })
    delete draft.bio
  })
  const splice: Splice = { index: 0, remove: 0, insert: 'x' }
  member.splice('/name', splice)
  const listener: ValueListener<Member> = (now, patches, news) => told(now?.name, patches, news)
  const rows: Collection<Member> = client.collection<Member>('team')
  const items: readonly Item<Member>[] = await rows.ready()
  const bound: BindTextOptions = { refused: 'keep', onError: error => lost(error) }
  const conflicts: ConflictListener = (all, added) => settle([...all, ...added])
  const out: SignOutOptions = { confirm: (status: SyncStatus) => status.pending === 0 }
  const rights: readonly KindRights[] = client.kinds
  const who: Principal | null = client.principal
  const made = await client.create<Member>('team', { name: `${who?.id} ${rights.length}` })
  await signOut(out)
  return [
    made.subscribe(listener),
    member.subscribeConflicts(conflicts),
    untyped.subscribe((now: JsonObject | undefined) => told(String(now), [])),
    rows.subscribe(next => told(`${next.length - items.length}`, [])),
    subscribe(status => state(status.state, status.error, status.violations, status.dropped)),
    bindText(box, member, '/name', bound),
    member.bindText('/name', box),
  ]
}

function told(text: string | undefined, patches: readonly Patch[], news?: ValueNews): void {
  const changes: readonly Change[] = news?.changes ?? patches
  for (const change of changes) {
    if (change.op === 'splice') spliced(change)
    else if (change.op === 'add') written(change.value)
  }
  if (text === undefined) throw new JsonError('', 'nothing')
}

function spliced(splice: TextSplice): string {
  return splice.insert
}

function written(value: JsonValue): string {
  return typeof value === 'object' ? 'whole' : String(value)
}

function lost(error: Error | null): readonly Dropped[] {
  if (error instanceof PolicyError) return error.dropped
  if (error instanceof IndelibleError) throw new IndelibleError(error.code, error.message)
  return []
}

function settle(conflicts: readonly Conflict[]): readonly (Author | null)[] {
  for (const conflict of conflicts) conflict.keep('mine')
  return conflicts.map(({ by }) => by)
}

function state(
  now: SyncState,
  error: Fault | null,
  violations: readonly Violation[],
  dropped: readonly Dropped[],
): string {
  const mode: EntityMode | null = client.entity('settings').mode
  return [now, mode, error?.code, violations.length, dropped.length].join()
}
