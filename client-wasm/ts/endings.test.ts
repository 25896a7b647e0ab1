// Guards against what ends in silence: rights to read, edits of what others delete, tabs that are
// closed; and against handles that stay dead when what they name is there again.

import { expect, test, vi } from 'vitest'
import { JsonError } from './index.js'
import { connect, server, until, useServer } from './testing/fixture.js'

interface Member {
  name: string
  slogan?: string
}

useServer()

test('edits of what somebody deletes are told, kept on show, and brought back', async () => {
  const client = connect()
  const entity = client.entity<Member>('team/jane')
  await entity.ready()
  const heard: (string | undefined)[] = []
  entity.subscribe(value => heard.push(value?.name))
  server.deaf = true
  entity.merge({ slogan: 'Mine' })
  const saved = entity.saved()
  await until(() => server.received.includes('propose'))
  server.tell('gone', { entity: 'team/jane', code: 'deleted' })
  const lost = [{ pointer: '/slogan', reason: 'gone', attempted: 'Mine' }]
  await expect(saved).rejects.toMatchObject({ code: 'deleted', dropped: lost })
  expect(entity.value).toBeUndefined()
  expect(heard).toEqual(['Jane', undefined])
  const told = { state: 'refused', pending: 0, dropped: lost, error: { code: 'deleted' } }
  expect(entity.status).toMatchObject(told)
  expect(client.status.dropped).toMatchObject(lost)
  await expect(entity.ready()).rejects.toMatchObject({ code: 'deleted' })
  const [dropped] = entity.status.dropped
  if (dropped === undefined) throw new Error('nothing was dropped')
  expect(() => entity.bringBack(dropped)).toThrow(/deleted/)

  // Somebody undeletes it: nothing has to be opened again.
  server.deaf = false
  const opened = server.opened.length
  server.snapshot()
  await until(() => entity.value !== undefined)
  expect(server.opened.length).toBe(opened)
  expect(entity.status.dropped).toMatchObject(lost)
  expect(entity.bringBack(dropped)).toEqual({ changed: ['/slogan'], preserved: [] })
  await entity.saved()
  expect(entity.value?.slogan).toBe('Mine')
  expect(entity.status).toMatchObject({ state: 'synced', dropped: [], error: null })
  const nothing = { ...dropped, pointer: '/links/x' }
  expect(() => entity.bringBack(nothing)).toThrow(
    expect.objectContaining({ code: 'nothing-to-bring-back' }),
  )
})

test('what is not there says so, and comes when it is made', async () => {
  server.byValue = true
  const entity = connect({ token: undefined }).entity<Member>('team/joe')
  await expect(entity.ready()).rejects.toMatchObject({ code: 'not-found' })
  expect(entity.status).toMatchObject({ state: 'gone', error: { code: 'not-found' } })
  server.value('team/joe', 'v1', { name: 'Joe' })
  await until(() => entity.value?.name === 'Joe')
  await expect(entity.ready()).resolves.toEqual({ name: 'Joe' })
  expect(entity.status).toMatchObject({ state: 'synced', error: null })
})

test('when the token ends, every handle is emptied, told, and says why; then goes on', async () => {
  let token = 'good'
  const client = connect({ token: () => token })
  const entity = client.entity<Member>('team/jane')
  const team = client.collection<Member>('team')
  await entity.ready()
  expect(team.status.state).toBe('connecting')
  server.value('team/joe', 'v1', { name: 'Joe' })
  server.tell('watched', { kind: 'team' })
  await team.ready()
  expect(team.status).toMatchObject({ state: 'synced', error: null })
  server.deaf = true
  entity.merge({ slogan: 'unsaved' })
  const rows: number[] = []
  const states: string[] = []
  team.subscribe(value => rows.push(value.length))
  team.subscribeStatus(status => states.push(status.state))
  const values: (string | undefined)[] = []
  entity.subscribe(value => values.push(value?.name))

  token = 'bad'
  server.cut(4401)
  await until(() => client.status.error?.code === 'unauthorized')
  await until(() => team.status.state === 'no-access')
  expect([team.value, rows.at(-1), team.get('joe')]).toEqual([[], 0, undefined])
  expect(team.status.error?.code).toBe('unauthorized')
  expect(states.at(-1)).toBe('no-access')
  await expect(team.ready()).rejects.toMatchObject({ code: 'unauthorized' })
  expect([entity.value, values.at(-1)]).toEqual([undefined, undefined])
  expect(entity.status).toMatchObject({
    state: 'no-access',
    pending: 1,
    error: { code: 'unauthorized' },
  })
  await expect(entity.ready()).rejects.toMatchObject({ code: 'unauthorized' })

  token = 'good again'
  server.deaf = false
  client.connect()
  await until(() => entity.value?.slogan === 'unsaved')
  await entity.saved()
  await until(() => server.followed)
  server.value('team/joe', 'v1', { name: 'Joe' })
  server.tell('watched', { kind: 'team' })
  await until(() => team.value.length === 1)
  await until(() => team.status.state === 'synced')
})

test('a token that has ended and cannot be replaced ends the right to read, until it can', async () => {
  let token: string | undefined = 'good'
  const client = connect({ token: () => token as string })
  const entity = client.entity<Member>('team/jane')
  const team = client.collection<Member>('team')
  await entity.ready()
  server.value('team/joe', 'v1', { name: 'Joe' })
  server.tell('watched', { kind: 'team' })
  await team.ready()
  const rows: number[] = []
  const values: (string | undefined)[] = []
  team.subscribe(value => rows.push(value.length))
  entity.subscribe(value => values.push(value?.name))

  // A connection that breaks ends nothing, whatever the callback gives then.
  token = undefined
  server.cut()
  await until(() => client.status.error?.code === 'token')
  expect([team.value.length, entity.value?.name]).toEqual([1, 'Jane'])
  token = 'good'
  await until(() => entity.status.state === 'synced')

  token = undefined
  server.cut(4401)
  await until(() => client.status.error?.code === 'token')
  expect([team.value.length, entity.value]).toEqual([0, undefined])
  expect([rows.at(-1), values.at(-1)]).toEqual([0, undefined])
  await expect(team.ready()).rejects.toMatchObject({ code: 'token' })
  await expect(entity.ready()).rejects.toMatchObject({ code: 'token' })
  expect(team.status.state).toBe('no-access')
  token = 'another'
  await until(() => entity.value?.name === 'Jane')
  await until(() => server.followed)
  server.value('team/joe', 'v1', { name: 'Joe' })
  server.tell('watched', { kind: 'team' })
  await until(() => team.value.length === 1 && team.status.state === 'synced')
})

test('a kind that may not be read any more empties its collection', async () => {
  const client = connect()
  const team = client.collection<Member>('team')
  const other = client.collection<Member>('none')
  await expect(other.ready()).rejects.toMatchObject({ code: 'no-kind' })
  expect(other.status).toMatchObject({ state: 'no-access', error: { code: 'no-kind' } })
  await until(() => server.received.includes('watch'))
  server.value('team/joe', 'v1', { name: 'Joe' })
  await until(() => team.value.length === 1)
  const rows: number[] = []
  team.subscribe(value => rows.push(value.length))
  server.tell('error', { code: 'too-many', reason: 'too much', entity: 'team' })
  await until(() => team.status.error?.code === 'too-many')
  expect([team.value.length, rows]).toEqual([0, [0]])
})

test('signing out asks about unsaved edits, and empties every handle', async () => {
  const client = connect()
  const entity = client.entity<Member>('team/jane')
  const team = client.collection<Member>('team')
  await entity.ready()
  server.value('team/joe', 'v1', { name: 'Joe' })
  await until(() => team.value.length === 1)
  expect(client.kinds).toMatchObject([{ kind: 'team', create: true, delete: true }])
  server.deaf = true
  entity.merge({ slogan: 'unsaved' })
  await expect(client.signOut()).rejects.toMatchObject({ code: 'unsaved' })
  const asked: number[] = []
  const confirm = (answer: boolean) => (status: { pending: number }) => {
    asked.push(status.pending)
    return Promise.resolve(answer)
  }
  expect(await client.signOut({ confirm: confirm(false) })).toBe(false)
  expect(entity.value?.slogan).toBe('unsaved')
  const rows: number[] = []
  team.subscribe(value => rows.push(value.length))
  const values: (string | undefined)[] = []
  entity.subscribe(value => values.push(value?.name))
  expect(await client.signOut({ confirm: confirm(true) })).toBe(true)
  expect(asked).toEqual([1, 1])
  expect([entity.value, team.value, rows, values]).toEqual([undefined, [], [0], [undefined]])
  expect(entity.status.error?.code).toBe('closed')
  expect(team.status.error?.code).toBe('closed')

  const nobody = connect()
  const hers = nobody.entity<Member>('team/jane')
  await hers.ready()
  hers.merge({ slogan: 'unsaved' })
  expect(await nobody.signOut({ pending: 'discard' })).toBe(true)
  expect(await connect().signOut()).toBe(true)
})

test('signing out asks about what was lost, as long as it is in the status', async () => {
  const client = connect()
  const entity = client.entity<Member>('team/jane')
  await entity.ready()
  server.refusals = 1
  entity.merge({ name: 'Refused' })
  await expect(entity.saved()).rejects.toMatchObject({ name: 'PolicyError' })
  expect(client.status).toMatchObject({ pending: 0, dropped: [{ pointer: '/name' }] })
  await expect(client.signOut()).rejects.toMatchObject({ code: 'unsaved' })
  expect(await client.signOut({ confirm: () => false })).toBe(false)
  entity.merge({ name: 'Taken' })
  await entity.saved()
  expect(await client.signOut()).toBe(true)
})

test('edits of who was signed in before go to who waits for them, and to nobody else', async () => {
  let token = 'good'
  const client = connect({ token: () => token })
  const entity = client.entity<Member>('team/jane')
  await entity.ready()
  server.deaf = true
  entity.merge({ slogan: 'Mine' })
  const saved = entity.saved()
  await until(() => server.received.includes('propose'))
  token = 'bob'
  server.cut()
  const dropped = [{ pointer: '/slogan', attempted: 'Mine' }]
  await expect(saved).rejects.toMatchObject({ code: 'principal', dropped })
  await until(() => client.principal?.id === 'bob' && entity.value !== undefined)
  expect([client.status.dropped, entity.status.dropped]).toEqual([[], []])
})

test('a tab is guarded while something is unsaved, and only then', async () => {
  const listeners = new Set<(event: Event) => void>()
  vi.stubGlobal('document', {})
  vi.stubGlobal('addEventListener', (type: string, listener: () => void) => {
    if (type === 'beforeunload') listeners.add(listener)
  })
  vi.stubGlobal('removeEventListener', (_: string, listener: () => void) => {
    listeners.delete(listener)
  })
  vi.stubGlobal('confirm', (question: string) => !question.startsWith('1 edit is not saved'))
  const client = connect()
  const entity = client.entity<Member>('team/jane')
  await entity.ready()
  expect(listeners.size).toBe(0)
  server.deaf = true
  entity.merge({ slogan: 'unsaved' })
  expect(listeners.size).toBe(1)
  const event = new Event('beforeunload', { cancelable: true })
  for (const listener of listeners) listener(event)
  expect(event.defaultPrevented).toBe(true)
  expect(await client.signOut()).toBe(false)
  server.deaf = false
  server.cut()
  await entity.saved()
  expect(listeners.size).toBe(0)
  const creation = client.create('team', { name: 'X' }, { id: 'x' })
  expect(listeners.size).toBe(1)
  await creation
  expect(listeners.size).toBe(0)

  const careless = connect({ preventUnsavedChanges: false })
  const other = careless.entity<Member>('team/jane')
  await other.ready()
  server.deaf = true
  other.merge({ slogan: 'x' })
  expect(listeners.size).toBe(0)
})

test('what JSON cannot hold never reaches the document', async () => {
  const client = connect()
  const entity = client.entity<Member>('team/jane')
  await entity.ready()
  const before = entity.value
  const slogan = Promise.resolve('x') as unknown as string
  expect(() => entity.merge({ slogan })).toThrow(JsonError)
  expect(() =>
    entity.change(draft => {
      draft.slogan = slogan
    }),
  ).toThrow(JsonError)
  await expect(client.create('team', { name: slogan })).rejects.toMatchObject({ pointer: '/name' })
  expect(entity.value).toBe(before)
  expect(server.received).not.toContain('propose')
  expect(server.received).not.toContain('create')
})
