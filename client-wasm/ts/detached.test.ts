// Guards against methods that lose their object: `const { subscribe } = entity`.

import { expect, test } from 'vitest'
import * as everything from './index.js'
import { Collection, Entity, IndelibleClient, IndelibleError } from './index.js'
import { connect, until, useServer } from './testing/fixture.js'
import type { Dropped } from './types.js'

useServer()

interface Member {
  name: string
  bio?: string
}

type Calls = { readonly [method: string]: (method: Detached) => unknown }
type Detached = (...args: never[]) => unknown

/** Calls every method that TypeScript's users see, taken off its object, the closing ones last. */
async function callAll(object: object, type: { prototype: object }, calls: Calls): Promise<void> {
  const prototype = type.prototype
  const methods = Object.getOwnPropertyNames(prototype).filter(name => {
    const { value } = Object.getOwnPropertyDescriptor(prototype, name) as PropertyDescriptor
    const internal = name.startsWith('receive') || INTERNAL.includes(name)
    return typeof value === 'function' && name !== 'constructor' && !internal
  })
  expect(Object.keys(calls).sort()).toEqual(methods.sort())
  for (const [name, call] of Object.entries(calls)) {
    const detached: Detached = (object as Record<string, Detached>)[name] as Detached
    await call(detached)
  }
}

const INTERNAL = ['locate', 'keepLetters', 'restart', 'abandon']

/** Calls it with these arguments; nothing else than what the method itself says may go wrong. */
function withArguments(...args: unknown[]): (method: Detached) => unknown {
  return method => (method as (...all: unknown[]) => unknown)(...args)
}

test('every exported class is an error or one of those below', () => {
  const classes = Object.values(everything).filter(
    one => typeof one === 'function' && /^class\b/.test(String(one)),
  )
  const handles = classes.filter(
    one => one !== IndelibleError && !(one.prototype instanceof IndelibleError),
  )
  expect(new Set(handles)).toEqual(new Set([Collection, Entity, IndelibleClient]))
  // Errors have nothing to call.
  for (const one of classes.filter(each => !handles.includes(each))) {
    expect(Object.getOwnPropertyNames(one.prototype)).toEqual(['constructor'])
  }
})

test('every method of an entity can be detached', async () => {
  const entity = connect().entity<Member>('team/jane')
  await entity.ready()
  const dropped: Dropped = { pointer: '/name', reason: 'gone', attempted: 'Lost', operations: 1 }
  await callAll(entity, Entity, {
    ready: withArguments(),
    subscribe: withArguments(() => undefined),
    subscribeStatus: withArguments(() => undefined),
    subscribeConflicts: withArguments(() => undefined),
    merge: withArguments({ name: 'Merged' }),
    change: withArguments((draft: Member) => {
      draft.bio = 'Changed'
    }),
    splice: method => withArguments('/name', { index: 0, remove: 0, insert: 'x' })(method),
    bringBack: withArguments(dropped),
    bindText: method => {
      const box = Object.assign(new EventTarget(), { tagName: 'INPUT', value: '', readOnly: false })
      expect(() => withArguments('/none', box)(method)).not.toThrow()
    },
    saved: withArguments(),
    close: withArguments(),
  })
  expect(entity.status.error).toMatchObject({ code: 'closed' })
})

test('every method of a collection can be detached', async () => {
  const collection = connect().collection<Member>('team')
  let ready: unknown
  await callAll(collection, Collection, {
    subscribe: withArguments(() => undefined),
    subscribeStatus: withArguments(() => undefined),
    get: withArguments('jane'),
    // The server of these tests has no answer to it.
    ready: method => {
      ready = withArguments()(method)
    },
    close: withArguments(),
  })
  await expect(ready).rejects.toMatchObject({ code: 'closed' })
  expect(collection.status.error).toMatchObject({ code: 'closed' })
})

test('every method of a client can be detached', async () => {
  const client = connect()
  const later = (method: Detached) => {
    const answer = withArguments('team/new')(method) as Promise<unknown>
    answer.catch(() => undefined)
  }
  await callAll(client, IndelibleClient, {
    connect: withArguments(),
    retry: withArguments(),
    subscribe: withArguments(() => undefined),
    entity: withArguments('team/jane'),
    collection: withArguments('team'),
    create: method => {
      const answer = withArguments('team', {}, { id: 'new' })(method) as Promise<unknown>
      answer.catch(() => undefined)
    },
    delete: later,
    undelete: later,
    signOut: withArguments({ pending: 'discard' }),
    close: withArguments(),
  })
  expect(() => client.entity('team/jane')).toThrow(expect.objectContaining({ code: 'closed' }))
})

test('a class derived from the client overrides its methods, and those can be detached too', async () => {
  class Counting extends IndelibleClient {
    count = 0
    override connect(): void {
      this.count += 1
      super.connect()
    }
    more(): number {
      return this.count
    }
  }
  const url = connect().status.error === null ? 'http://127.0.0.1:1' : ''
  const client = new Counting({ url })
  const { connect: detached, more } = client
  detached()
  expect(more()).toBe(1)
  await until(() => client.status.error !== null)
  client.close()
})
