/** Guards against conflicts that are reported twice, or decided when they are over. */

import { describe, expect, it } from 'vitest'
import { type Conflict, Conflicts } from './conflicts.js'
import type { Core } from './core.js'
import type { ConflictReport } from './core-events.js'
import { NotificationQueue } from './listeners.js'

const REPORT: ConflictReport = {
  pointer: '/title',
  mine: 'ours',
  stands: 'theirs',
  by: { id: 'bob' },
  at: 5,
}

function conflicts() {
  const calls: string[] = []
  const notices = new NotificationQueue()
  const core = {
    keep: (name: string, pointer: string) => calls.push(`keep ${name} ${pointer}`),
    dismiss: (name: string, pointer: string) => calls.push(`dismiss ${name} ${pointer}`),
  }
  const own = new Conflicts({
    name: 'page/home',
    notices,
    core: core as unknown as Core,
    edited: () => calls.push('edited'),
  })
  const told: (readonly [readonly Conflict[], readonly Conflict[]])[] = []
  own.subscribe((all, added) => told.push([all, added]))
  const receive = (reports: readonly ConflictReport[]) => {
    own.receive(reports)
    notices.flush()
  }
  return { own, calls, told, receive }
}

describe('conflicts', () => {
  it('are frozen, and told once each', () => {
    const { own, told, receive } = conflicts()
    receive([REPORT])
    const [first] = own.list
    expect(first).toMatchObject({ ...REPORT, by: { id: 'bob', name: null } })
    expect(Object.isFrozen(own.list) && Object.isFrozen(first)).toBe(true)
    const other = { ...REPORT, pointer: '/slogan' }
    receive([other, REPORT])
    expect(own.list[1]).toBe(first)
    expect(told.map(([, added]) => added.map(({ pointer }) => pointer))).toEqual([
      ['/title'],
      ['/slogan'],
    ])
    receive([])
    expect(own.list).toEqual([])
    expect(told).toHaveLength(3)
    receive([])
    expect(told).toHaveLength(3)
  })

  it('are decided by the core, and not when they are over', () => {
    const { own, calls, receive } = conflicts()
    receive([REPORT])
    const [conflict] = own.list
    conflict?.keep('mine')
    conflict?.keep('theirs')
    expect(calls).toEqual(['keep page/home /title', 'edited', 'dismiss page/home /title', 'edited'])
    receive([])
    conflict?.keep('mine')
    expect(calls).toHaveLength(4)
  })

  it('are not forgotten by a word that is none', () => {
    const { own, calls, receive } = conflicts()
    receive([REPORT])
    for (const word of ['Mine', 'ours', undefined, true]) {
      expect(() => own.list[0]?.keep(word as 'mine')).toThrow(
        expect.objectContaining({ code: 'keep' }) as Error,
      )
    }
    expect(calls).toEqual([])
  })
})
