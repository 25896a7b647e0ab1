// Guards the whole way from a call to a frame and back, with the real core on a real socket:
// edits that get lost, listeners that hear nothing, promises that never settle.

import { readFile } from 'node:fs/promises'
import { expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { type IndelibleError, JsonError, PolicyError, type SyncState } from './index.js'
import { loadCore } from './load.js'
import { connect, server, until, useServer } from './testing/fixture.js'

interface Member {
  name: string
  bio: string
  slogan?: string
  number: string
  updatedBy: string
  links: { id?: string; url: string }[]
}

useServer()

async function jane(client = connect()) {
  const entity = client.entity<Member>('team/jane')
  await entity.ready()
  return entity
}

test('an edit is shown at once, told, and saved', async () => {
  const client = connect()
  const entity = await jane(client)
  expect(entity.mode).toBe('replica')
  expect(entity.value?.name).toBe('Jane')
  expect(client.principal?.id).toBe('alice')
  const told: string[] = []
  const states: SyncState[] = []
  entity.subscribe((value, patches) => told.push(`${value?.name} ${JSON.stringify(patches)}`))
  entity.subscribeStatus(status => states.push(status.state))
  const before = entity.value
  const result = entity.change(draft => {
    draft.name = 'Janet'
  })
  expect(result).toEqual({ changed: ['/name'], preserved: [] })
  expect(entity.value?.name).toBe('Janet')
  expect(before?.name).toBe('Jane')
  expect(entity.value?.links).toBe(before?.links)
  expect(Object.isFrozen(entity.value)).toBe(true)
  expect(told).toEqual(['Janet [{"op":"replace","path":"/name","value":"Janet"}]'])
  expect(entity.status).toMatchObject({ state: 'syncing', pending: 1 })
  await entity.saved()
  expect(entity.status).toMatchObject({ state: 'synced', pending: 0, error: null })
  expect(entity.status.lastSyncTime).toBeGreaterThan(0)
  expect(entity.value?.updatedBy).toBe('alice')
  expect(states).toEqual(['syncing', 'synced'])
  expect(client.status.state).toBe('synced')
})

test('the policy speaks before anything is applied or sent', async () => {
  const entity = await jane()
  const before = entity.value
  const attempt = (): unknown => entity.merge({ number: 'E-2', slogan: 'x' })
  expect(attempt).toThrow(PolicyError)
  try {
    attempt()
  } catch (error) {
    expect((error as PolicyError).violations).toMatchObject([
      { pointer: '/number', rule: 'create', attempted: 'E-2', kept: 'E-1' },
    ])
  }
  expect(entity.value).toBe(before)
  expect(server.received).not.toContain('propose')
  expect(entity.merge({ ...before, slogan: 'x' }).changed).toEqual(['/slogan'])
  const kept = entity.merge({ number: 'E-2', slogan: 'y' }, { protected: 'keep' })
  expect(kept).toEqual({ changed: ['/slogan'], preserved: ['/number'] })
  expect(() => entity.merge({ name: Number.NaN as unknown as string })).toThrow(JsonError)
})

test('a property is deleted, an item moved, a pair of surrogates kept whole', async () => {
  const entity = await jane()
  entity.merge({ slogan: 'x', bio: 'a😀b' })
  entity.change(draft => {
    delete draft.slogan
    draft.links.reverse()
    draft.links.push({ url: 'c' })
    draft.bio = 'a😁b'
  })
  expect(entity.value).not.toHaveProperty('slogan')
  expect(entity.value?.links.map(link => link.url)).toEqual(['b', 'a', 'c'])
  expect(entity.value?.bio).toBe('a😁b')
  const half = (): unknown =>
    entity.change(draft => {
      draft.bio = 'a\ud83db'
    })
  expect(half).toThrow(expect.objectContaining({ name: 'JsonError', pointer: '/bio' }))
  expect(entity.value?.bio).toBe('a😁b')
  await entity.saved()
})

test('the edits of one task go together', async () => {
  const entity = await jane()
  for (const name of ['A', 'B', 'C']) entity.merge({ name })
  await entity.saved()
  expect(server.received.filter(name => name === 'propose')).toHaveLength(1)
})

test('two clients meet in one text', async () => {
  const [a, b] = [await jane(), await jane()]
  a.merge({ bio: 'Oh, Hello' })
  b.merge({ bio: 'Hello there' })
  await Promise.all([a.saved(), b.saved()])
  await until(() => a.value?.bio === b.value?.bio)
  expect(a.value?.bio).toBe('Oh, Hello there')
})

test('a base lets a stale input box keep what others wrote', async () => {
  const [a, b] = [await jane(), await jane()]
  const shown = b.value
  if (shown === undefined) throw new Error('it is ready')
  a.merge({ bio: 'Oh, Hello' })
  await until(() => b.value?.bio === 'Oh, Hello')
  b.change(
    draft => {
      draft.bio += '!'
    },
    { base: shown },
  )
  expect(b.value?.bio).toBe('Oh, Hello!')
  expect(() => b.merge({ bio: '' }, { base: { ...shown } })).toThrow(/base/)
})

test('edits made offline are sent afterwards, once', async () => {
  const entity = await jane()
  server.closeAfterTaking = true
  entity.merge({ name: 'A' })
  await until(() => entity.status.state !== 'syncing')
  entity.merge({ bio: 'offline' })
  await entity.saved()
  expect(server.entries).toHaveLength(2)
  const last = server.opened.at(-1)
  expect(last).toMatchObject({ epoch: 1, seq: 1 })
})

test('the server’s refusal takes back what it names and reaches whoever waits', async () => {
  const client = connect()
  const entity = await jane(client)
  server.refusals = 1
  entity.merge({ name: 'X' })
  const refusal = (await entity.saved().catch((error: unknown) => error)) as PolicyError
  expect(refusal).toBeInstanceOf(PolicyError)
  expect(refusal.violations).toMatchObject([{ pointer: '/name', rule: 'write', attempted: 'X' }])
  expect(entity.value?.name).toBe('Jane')
  expect(entity.status).toMatchObject({ state: 'refused', pending: 0 })
  expect(entity.status.violations).toHaveLength(1)
  const lost = { pointer: '/name', reason: 'refused', attempted: 'X', operations: 1 }
  expect(refusal.dropped).toMatchObject([lost])
  expect(entity.status.dropped).toEqual(refusal.dropped)
  expect(client.status.state).toBe('refused')
  await expect(entity.saved()).rejects.toBe(refusal)
  entity.merge({ name: 'Y' })
  await entity.saved()
  expect(entity.status).toMatchObject({ state: 'synced', violations: [], dropped: [] })
})

test('what several refusals take is told together', async () => {
  const entity = await jane()
  server.refusals = 2
  entity.merge({ name: 'X' })
  entity.merge({ name: 'Y' })
  const first = (await entity.saved().catch((error: unknown) => error)) as PolicyError
  await until(() => entity.status.pending === 0)
  const refusal = (await entity.saved().catch((error: unknown) => error)) as PolicyError
  const lost = refusal.dropped.map(one => one.attempted)
  expect(lost).toEqual(['X', 'Y'])
  expect(entity.status.dropped).toEqual(refusal.dropped)
  expect(refusal.violations).toHaveLength(2)
  expect(refusal.dropped).toEqual(expect.arrayContaining([...first.dropped]))
})

test('values come as patches and cannot be edited', async () => {
  server.byValue = true
  const entity = connect().entity<Member>('team/jane')
  await until(() => server.received.includes('open'))
  server.value('team/jane', 'v1', { name: 'Jane', links: [{ url: 'a' }] })
  const first = await entity.ready()
  expect(entity.mode).toBe('value')
  server.patch('team/jane', 'v2', [{ op: 'replace', path: '/name', value: 'J' }])
  await until(() => entity.value?.name === 'J')
  expect(entity.value?.links).toBe(first.links)
  expect(() => entity.merge({ name: 'X' })).toThrow(/HTTP/)
  server.patch('team/jane', 'v3', [{ op: 'remove', path: '/nothing' }])
  await until(() => server.opened.length === 2)
  expect(server.opened.at(-1)).not.toHaveProperty('version')
  server.value('team/jane', 'v4', { name: 'again' })
  await until(() => entity.value?.name === 'again')
  server.cut()
  await until(() => server.opened.length === 3)
  expect(server.opened.at(-1)).toMatchObject({ mode: 'value', version: 'v4' })
})

test('a collection follows who comes, changes and goes', async () => {
  server.byValue = true
  const team = connect().collection<{ name: string }>('team')
  await until(() => server.received.includes('watch'))
  server.value('team/joe', 'v1', { name: 'Joe' })
  server.value('team/jane', 'v1', { name: 'Jane' })
  server.tell('watched', { kind: 'team' })
  const items = await team.ready()
  expect(items.map(item => item.id)).toEqual(['jane', 'joe'])
  let told = 0
  team.subscribe(() => {
    told += 1
  })
  server.patch('team/joe', 'v2', [{ op: 'replace', path: '/name', value: 'Joseph' }])
  await until(() => team.get('joe')?.name === 'Joseph')
  expect(team.value[0]).toBe(items[0])
  expect(told).toBe(1)
  server.tell('gone', { entity: 'team/jane', code: 'deleted' })
  await until(() => team.value.length === 1)
  const unreadable = connect().collection('secrets')
  await expect(unreadable.ready()).rejects.toMatchObject({ code: 'no-kind' })
})

test('creations resolve with the entity, or say why not', async () => {
  const client = connect()
  const chosen = await client.create('team', { name: 'Joe' })
  expect(chosen.name).toBe('team/chosen')
  const named = await client.create('team', { name: 'Joe' }, { id: 'joe' })
  expect(named.name).toBe('team/joe')
  const taken = client.create('team', { name: 'J' }, { id: 'jane' })
  await expect(taken).rejects.toMatchObject({ code: 'exists' })
})

test('what is deleted is gone, and what comes back is there again', async () => {
  const client = connect()
  const entity = await jane(client)
  const name = entity.value?.name
  await client.delete('team/jane')
  expect(entity.status.error?.code).toBe('deleted')
  await client.undelete('team/jane')
  await until(() => entity.status.state === 'synced')
  expect(entity.value?.name).toBe(name)

  const refused = client.undelete('team/joe')
  await expect(refused).rejects.toBeInstanceOf(PolicyError)
  await expect(refused).rejects.toMatchObject({
    code: 'policy',
    violations: [{ pointer: '/code', rule: 'unique', attempted: 'E-1', holder: 'team/jane' }],
  })
  server.cut()
  const later = client.delete('team/jane')
  client.close()
  await expect(later).rejects.toMatchObject({ code: 'closed' })
})

test('what is not there rejects, with its reason in the status', async () => {
  const entity = connect().entity('team/nobody')
  await expect(entity.ready()).rejects.toMatchObject({ code: 'not-found' })
  expect(entity.status.error?.code).toBe('not-found')
})

test('tokens: asked at every connection; one that is refused ends the trying', async () => {
  let token = 'good-1'
  const client = connect({ token: () => Promise.resolve(token) })
  const entity = await jane(client)
  token = 'good-2'
  server.cut()
  await until(() => server.tokens.length === 2 && entity.status.state === 'synced')
  expect(server.tokens).toEqual(['good-1', 'good-2'])
  token = 'bad'
  server.deaf = true
  entity.merge({ name: 'before' })
  server.cut(4401)
  await until(() => server.tokens.length === 3 && client.status.state === 'offline')
  expect(client.status.error?.code).toBe('unauthorized')
  // Nothing is shown, so nothing can be edited; what is pending is kept.
  expect(() => entity.merge({ name: 'meanwhile' })).toThrow(/does not accept the token/)
  server.deaf = false
  token = 'good-3'
  client.connect()
  await entity.saved()
  expect(client.status).toMatchObject({ state: 'synced', error: null })
})

test('after a trap the core starts anew and says what was lost', async () => {
  const { Session } = await loadCore('full')
  const client = connect()
  const entity = await jane(client)
  server.deaf = true
  entity.merge({ name: 'lost' })
  const saved = entity.saved()
  vi.spyOn(Session.prototype, 'edits').mockImplementationOnce(() => {
    throw new WebAssembly.RuntimeError('unreachable')
  })
  expect(() => entity.merge({ name: 'too' })).toThrow(/core/)
  await expect(saved).rejects.toMatchObject({ code: 'trap' })
  await expect(entity.saved()).rejects.toMatchObject({ code: 'trap' })
  server.deaf = false
  await until(() => entity.value?.name === 'Jane' && entity.status.state === 'synced')
  entity.merge({ name: 'afterwards' })
  await entity.saved()
  expect(entity.value?.name).toBe('afterwards')
})

test('closing settles everything', async () => {
  const client = connect()
  const entity = await jane(client)
  server.deaf = true
  entity.merge({ name: 'unsaved' })
  const saved = entity.saved()
  const creation = client.create('team', {})
  client.close()
  await expect(saved).rejects.toMatchObject({ code: 'closed' })
  await expect(creation).rejects.toMatchObject({ code: 'closed' })
  expect(client.status.state).toBe('offline')
  expect(() => client.entity('team/jane')).toThrow(/closed/)
})

test('a listener that edits sees its edit, and all hear in order', async () => {
  const entity = await jane()
  const heard: (string | undefined)[] = []
  entity.subscribe(value => {
    if (value?.name === 'A') {
      entity.merge({ name: 'B' })
      expect(entity.value?.name).toBe('B')
    }
  })
  entity.subscribe(value => heard.push(value?.name))
  entity.merge({ name: 'A' })
  expect(heard).toEqual(['A', 'B'])
  await entity.saved()
})

test('a visitor needs the reader core only', async () => {
  server.byValue = true
  const { Session } = await loadCore('full')
  const whole = vi.spyOn(Session.prototype, 'connected')
  const client = connect({ token: null })
  const opened = client.entity<Member>('team/jane')
  const team = client.collection<Member>('team')
  await until(() => server.received.includes('watch'))
  server.value('team/jane', 'v1', { name: 'Jane' })
  server.tell('watched', { kind: 'team' })
  await team.ready()
  expect((await opened.ready()).name).toBe('Jane')
  expect(opened.mode).toBe('value')
  expect(team.value.map(item => item.value.name)).toEqual(['Jane'])
  server.patch('team/jane', 'v2', [{ op: 'replace', path: '/name', value: 'Janet' }])
  await until(() => opened.value?.name === 'Janet')
  expect(() => opened.merge({ name: 'J' })).toThrow(
    expect.objectContaining({ code: 'value-mode' }) as Error,
  )
  server.cut()
  await until(() => server.tokens.length === 2)
  expect(whole).not.toHaveBeenCalled()
})

test('a visitor who may have a replica gets the full core, and nothing is lost', async () => {
  const client = connect({ token: null })
  const created = client.create('team', { name: 'Bob' })
  const entity = await jane(client)
  expect(entity.mode).toBe('replica')
  expect((await created).name).toMatch(/^team/)
  entity.merge({ name: 'Janet' })
  await entity.saved()
  expect(entity.value?.name).toBe('Janet')
  expect(client.status).toMatchObject({ pending: 0, error: null })
  expect(server.tokens).toEqual([null, null])
})

test('sources may be given for both cores, or for the full one alone', async () => {
  const read = (name: string) =>
    readFile(new URL(`./wasm/${name}_bg.wasm`, import.meta.url)) as Promise<BufferSource>
  const [whole, values] = [await read('indelible'), await read('values')]
  for (const [wasm, hellos] of [
    [whole, 1],
    [{ whole, values }, 2],
  ] as const) {
    vi.resetModules()
    const fresh = await import('./index.js')
    const before = server.tokens.length
    const client = new fresh.IndelibleClient({ url: server.url, WebSocket, wasm })
    await client.entity('team/jane').ready()
    expect(server.tokens.length - before).toBe(hellos)
    client.close()
  }
})

test('a module whose promise fails ends no process before it is needed', async () => {
  const gone = () => Promise.reject<Response>(new Error('it is not there'))
  const failures: unknown[] = []
  const note = (error: unknown) => failures.push(error)
  const { IndelibleClient } = await import('./index.js')
  process.on('unhandledRejection', note)
  for (const wasm of [gone, () => ({ whole: gone(), values: gone() })]) {
    const client = new IndelibleClient({ url: server.url, WebSocket, wasm: wasm() })
    await new Promise(resolve => setTimeout(resolve, 10))
    client.close()
  }
  process.off('unhandledRejection', note)
  expect(failures).toEqual([])
})

test('a core that cannot be loaded is told and tried again', async () => {
  vi.resetModules()
  const fresh = await import('./index.js')
  const client = new fresh.IndelibleClient({
    url: server.url,
    WebSocket,
    wasm: new Uint8Array([1, 2, 3]),
  })
  const entity = client.entity('team/jane')
  const error = (await entity.ready().catch((reason: unknown) => reason)) as IndelibleError
  expect(error.code).toBe('wasm')
  expect(client.status.error?.code).toBe('wasm')
  client.close()
})

test('the notice that a token ends is answered with a fresh one, on the same connection', async () => {
  const reasons: string[] = []
  const client = connect({ token: reason => `good-${reasons.push(reason)}` })
  const entity = await jane(client)
  server.tell('error', { code: 'token-expiring', reason: 'the token ends soon' })
  await until(() => server.tokens.length === 2)
  expect(server.tokens).toEqual(['good-1', 'good-2'])
  expect(reasons).toEqual(['start', 'expiring'])
  expect(server.received.filter(name => name === 'hello')).toHaveLength(1)
  expect(client.status.error).toBeNull()
  entity.merge({ slogan: 'still here' })
  await entity.saved()
})

test('a token that cannot be had is told in the status, and nobody becomes anonymous', async () => {
  let token: string | undefined
  const client = connect({ token: () => token as string })
  const entity = client.entity<Member>('team/jane')
  await until(() => client.status.error !== null)
  expect(client.status.error?.code).toBe('token')
  expect(client.status.error?.message).toContain('the token callback gave undefined')
  expect(server.received).toEqual([])
  token = 'good'
  await entity.ready()
  expect(client.status.error).toBeNull()
  token = undefined
  server.tell('error', { code: 'token-expiring', reason: 'the token ends soon' })
  await until(() => client.status.error !== null)
  expect(client.status.error?.message).toContain('gave undefined')
  expect(client.status.state).toBe('synced')
  token = 'good too'
  await until(() => server.tokens.includes('good too'))
  await until(() => client.status.error === null)
})

test('an edit that the server does not take yet is sent again after the pause, on the same connection', async () => {
  const client = connect()
  const entity = await jane(client)
  const paused = Date.now()
  server.cannot = { code: 'rate-limited', retry: 300, times: 1 }
  entity.merge({ slogan: 'patience' })
  await entity.saved()
  expect(Date.now() - paused).toBeGreaterThanOrEqual(300)
  expect(server.received.filter(name => name === 'propose')).toHaveLength(2)
  expect(server.received.filter(name => name === 'hello')).toHaveLength(1)
  expect(client.status.error).toBeNull()
})
