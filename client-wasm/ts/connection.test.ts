// Guards against clients that never come back, come back all at once, or knock for ever with a
// token that is not accepted.

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { connect, FakeSocket, nextSocket, stubPage, welcomed } from './testing/sockets.js'
import type { TokenSource, WebSocketLike } from './types.js'

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('no network')))
  FakeSocket.all = []
  FakeSocket.mute = false
})

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

test('the address, the subprotocol, the token', async () => {
  const log = connect(() => Promise.resolve('secret'))
  const socket = await nextSocket()
  expect(socket.url).toBe('ws://example.test/sync')
  expect(socket.protocols).toEqual(['indelible.v1'])
  socket.fire('open')
  expect(log.opened).toEqual(['secret'])
  socket.fire('message', { data: new Uint8Array([1, 2]).buffer })
  expect(log.frames).toEqual([new Uint8Array([1, 2])])
  expect(log.connection.send(new Uint8Array([3]))).toBe(true)
  log.connection.stop()
  expect(socket.closedWith).toBe(1000)
  socket.fire('close', { code: 1000, reason: '' })
  expect(log.closed).toEqual([{ fault: null, final: true }])
})

test('the waiting time doubles up to its limit, with jitter', async () => {
  connect(null)
  const delays: number[] = []
  for (let attempt = 0; attempt < 6; attempt += 1) {
    const socket = await nextSocket()
    const count = FakeSocket.all.length
    socket.fire('close', { code: 1006, reason: '' })
    let waited = 0
    while (FakeSocket.all.length === count) {
      await vi.advanceTimersByTimeAsync(5)
      waited += 5
    }
    delays.push(waited)
  }
  for (const [index, ceiling] of [100, 200, 400, 800, 1_000, 1_000].entries()) {
    expect(delays[index]).toBeGreaterThanOrEqual(ceiling / 2)
    expect(delays[index]).toBeLessThanOrEqual(ceiling + 5)
  }
})

test('after a good connection the waiting time starts from the bottom', async () => {
  const log = connect(null)
  for (let attempt = 0; attempt < 4; attempt += 1) {
    ;(await nextSocket()).fire('close', { code: 1006, reason: '' })
    await vi.advanceTimersByTimeAsync(1_000)
  }
  const socket = await nextSocket()
  socket.fire('open')
  log.connection.welcomed()
  await vi.advanceTimersByTimeAsync(6_000)
  const count = FakeSocket.all.length
  socket.fire('close', { code: 1001, reason: 'going away' })
  await vi.advanceTimersByTimeAsync(105)
  expect(FakeSocket.all.length).toBe(count + 1)
})

test('a server that does not answer is given up', async () => {
  const log = connect(null)
  const socket = await nextSocket()
  socket.fire('open')
  await vi.advanceTimersByTimeAsync(15_000)
  expect(socket.closedWith).toBe(4000)
  const silent = expect.objectContaining({ code: 'silent' }) as unknown
  expect(log.closed).toEqual([{ fault: silent, final: false }])
  socket.fire('message', { data: new ArrayBuffer(1) })
  expect(log.frames).toEqual([])
})

test('a connection that owes an answer for too long counts as dead', async () => {
  const log = connect(null)
  const socket = await nextSocket()
  socket.fire('open')
  log.connection.welcomed()
  log.connection.expectAnswer()
  await vi.advanceTimersByTimeAsync(15_000)
  socket.fire('message', { data: new ArrayBuffer(1) })
  await vi.advanceTimersByTimeAsync(60_000)
  expect(socket.closedWith).toBeUndefined()
  FakeSocket.mute = true
  log.connection.expectAnswer()
  await vi.advanceTimersByTimeAsync(20_000)
  expect(socket.closedWith).toBe(4000)
  expect(log.closed).toMatchObject([{ fault: { code: 'silent' }, final: false }])
})

test('a token that ran out is asked for again; one that is refused is not tried for ever', async () => {
  let issued = 0
  const log = connect(() => `token-${++issued}`)
  let socket = await nextSocket()
  socket.fire('open')
  log.connection.welcomed()
  await vi.advanceTimersByTimeAsync(60_000)
  socket.fire('close', { code: 4401, reason: 'expired' })
  socket = await nextSocket()
  socket.fire('open')
  expect(log.opened).toEqual(['token-1', 'token-2'])
  socket.fire('close', { code: 4401, reason: 'invalid' })
  await vi.advanceTimersByTimeAsync(600_000)
  expect(log.opened).toHaveLength(2)
  expect(log.closed.at(-1)).toMatchObject({ fault: { code: 'unauthorized' }, final: true })
  expect(log.closed.at(-1)?.fault?.message).toMatch(/does not accept the token/)
})

test('the same token again is not tried again', async () => {
  const log = connect(() => 'stale')
  const socket = await nextSocket()
  socket.fire('open')
  socket.fire('close', { code: 4401, reason: '' })
  await vi.advanceTimersByTimeAsync(600_000)
  expect(FakeSocket.all).toHaveLength(1)
  expect(log.closed.at(-1)?.final).toBe(true)
  log.connection.start()
  await nextSocket()
  expect(FakeSocket.all).toHaveLength(2)
})

test('a token source that fails is asked again later', async () => {
  let calls = 0
  const log = connect(() => {
    calls += 1
    if (calls === 1) throw new Error('no network')
    return 'secret'
  })
  await vi.advanceTimersByTimeAsync(200)
  expect(log.closed).toEqual([
    { fault: { code: 'token', message: 'no token could be had: no network' }, final: false },
  ])
  ;(await nextSocket()).fire('open')
  expect(log.opened).toEqual(['secret'])
})

test('why there is no token is said, whatever was thrown', async () => {
  for (const [thrown, says] of [
    ['sign in first', ': sign in first'],
    [{ code: 401, message: 'session over' }, ': session over'],
    [{ message: 5 }, ''],
    [null, ''],
    [undefined, ''],
  ] as const) {
    const log = connect(() => Promise.reject(thrown))
    await vi.advanceTimersByTimeAsync(0)
    const message = `no token could be had${says}`
    expect(log.closed).toEqual([{ fault: { code: 'token', message }, final: false }])
    log.connection.stop()
  }
})

test('the interface fits the WebSocket of browsers', () => {
  const check: (socket: WebSocket) => WebSocketLike = socket => socket
  expect(check).toBeTypeOf('function')
})

test('a fresh token goes to the connection that is there', async () => {
  const reasons: string[] = []
  const log = connect(reason => `token-${reasons.push(reason)}`)
  const socket = await nextSocket()
  socket.fire('open')
  log.connection.welcomed()
  for (let round = 2; round < 5; round += 1) {
    log.connection.refresh()
    log.connection.refresh()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(log.fresh.at(-1)).toBe(`token-${round}`)
  }
  expect(reasons).toEqual(['start', 'expiring', 'expiring', 'expiring'])
  expect(FakeSocket.all).toHaveLength(1)
  expect(log.closed).toEqual([])
})

test('a server that gives notice without end does not drive the callback', async () => {
  let calls = 0
  const log = connect(() => `token-${++calls}`)
  ;(await nextSocket()).fire('open')
  log.connection.welcomed()
  for (let step = 0; step < 1_000; step += 1) {
    log.connection.refresh()
    await vi.advanceTimersByTimeAsync(10)
  }
  expect(calls).toBeLessThanOrEqual(1 + 10_000 / 500 + 1)
  expect(log.fresh.length).toBe(calls - 1)
})

test('a fresh token that cannot be had is told, and asked for again', async () => {
  const answers: unknown[] = ['old', new Error('no network'), undefined, '', 'old', 'new']
  const log = connect(() => {
    const answer = answers.shift()
    if (answer instanceof Error) throw answer
    return answer as string
  })
  const socket = await nextSocket()
  socket.fire('open')
  log.connection.welcomed()
  log.connection.refresh()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(log.faults).toHaveLength(3)
  expect(log.faults[0]).toMatchObject({
    code: 'token',
    message: expect.stringContaining('no network'),
  })
  expect(log.faults[1]?.message).toContain('gave undefined')
  expect(log.faults[2]?.message).toContain('an empty string')
  expect(log.fresh).toEqual(['new'])
  expect(socket.closedWith).toBeUndefined()
})

test('a callback that gives no token is an error, and null is not', async () => {
  const wrong: readonly [unknown, string][] = [
    ['', 'an empty string'],
    [7, 'a number'],
    [{}, 'an object'],
    [false, 'a boolean'],
  ]
  const sources: [unknown, string][] = [
    [() => undefined, 'the token callback gave undefined; it has to give'],
    [() => Promise.resolve(undefined), 'the token callback gave undefined; it has to give'],
    [Promise.resolve('secret'), 'the option token is a Promise; it has to be'],
    // A server could not read the greeting that it is in, and would not say why.
    ['é'.repeat(16_385), 'a text of 32770 bytes; it has to be a token of at most 32768 bytes'],
    [() => 'x'.repeat(70_000), 'a text of 70000 bytes; it has to give a token of at most 32768'],
  ]
  for (const [given, what] of wrong) {
    sources.push([() => given, `the token callback gave ${what}; it has to give`])
    sources.push([given, `the option token is ${what}; it has to be`])
  }
  for (const [source, says] of sources) {
    FakeSocket.all = []
    const log = connect(source as TokenSource)
    await vi.advanceTimersByTimeAsync(50)
    expect(FakeSocket.all).toHaveLength(0)
    expect(log.closed[0]?.fault?.code).toBe('token')
    expect(log.closed[0]?.fault?.message).toContain(says)
    log.connection.stop()
  }
  const longest = 'x'.repeat(32_768)
  for (const [source, presented] of [
    [async () => null, undefined],
    [longest, longest],
  ] as const) {
    const log = connect(source)
    ;(await nextSocket()).fire('open')
    expect(log.opened).toEqual([presented])
    log.connection.stop()
  }
})

test('signing out in the callback goes on without a name', async () => {
  const answers = ['mine', null, null]
  const log = connect(() => answers.shift() ?? null)
  const first = await nextSocket()
  first.fire('open')
  log.connection.welcomed()
  log.connection.refresh()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(first.closedWith).toBe(1000)
  ;(await nextSocket()).fire('open')
  expect(log.opened).toEqual(['mine', undefined])
})

test('a fresh token of somebody else, or with other rights, makes a new connection', async () => {
  for (const code of [4401, 4409]) {
    FakeSocket.all = []
    const reasons: string[] = []
    const log = connect(reason => {
      reasons.push(reason)
      return reasons.length === 1 ? 'ada' : 'bob'
    })
    let socket = await nextSocket()
    socket.fire('open')
    log.connection.welcomed()
    log.connection.refresh()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(log.fresh).toEqual(['bob'])
    socket.fire('close', { code, reason: '' })
    socket = await nextSocket()
    socket.fire('open')
    log.connection.welcomed()
    expect(log.opened).toEqual(['ada', 'bob'])
    expect(reasons.at(-1)).toBe(code === 4401 ? 'rejected' : 'start')
    expect(log.closed).toEqual([{ fault: null, final: false }])
    log.connection.stop()
  }
})

test('a fresh token that is no good is not presented for ever', async () => {
  const log = connect(reason => (reason === 'start' ? 'good' : 'bad'))
  let socket = await nextSocket()
  socket.fire('open')
  log.connection.welcomed()
  log.connection.refresh()
  await vi.advanceTimersByTimeAsync(1_000)
  socket.fire('close', { code: 4401, reason: 'bad token' })
  socket = await nextSocket()
  socket.fire('open')
  expect(log.opened).toEqual(['good', 'bad'])
  socket.fire('close', { code: 4401, reason: 'bad token' })
  await vi.advanceTimersByTimeAsync(600_000)
  expect(log.opened).toEqual(['good', 'bad'])
  expect(log.closed.at(-1)?.final).toBe(true)
  expect(log.closed.at(-1)?.fault?.message).toMatch(/does not accept the token.*: bad token$/)
})

test('what the callback gives after the connection has ended is for another one', async () => {
  let give: ((token: string) => void) | undefined
  let calls = 0
  const log = connect(() => {
    calls += 1
    return calls === 2 ? new Promise<string>(resolve => (give = resolve)) : `token-${calls}`
  })
  const socket = await nextSocket()
  socket.fire('open')
  log.connection.welcomed()
  log.connection.refresh()
  await vi.advanceTimersByTimeAsync(1_000)
  socket.fire('close', { code: 4401, reason: 'token expired' })
  ;(await nextSocket()).fire('open')
  give?.('late')
  await vi.advanceTimersByTimeAsync(0)
  expect(log.fresh).toEqual([])
  expect(log.opened).toEqual(['token-1', 'token-3'])
})

test('a silent server is asked for a sign of life, and one that gives it is kept', async () => {
  const { socket, pings, closed } = await welcomed()
  await vi.advanceTimersByTimeAsync(29_000)
  expect(pings).toEqual([])
  await vi.advanceTimersByTimeAsync(1_000)
  expect(pings).toEqual([1])
  socket.fire('message', { data: new ArrayBuffer(1) })
  await vi.advanceTimersByTimeAsync(29_000)
  expect(pings).toEqual([1])
  socket.fire('message', { data: new ArrayBuffer(1) })
  await vi.advanceTimersByTimeAsync(29_000)
  expect(pings).toEqual([1])
  await vi.advanceTimersByTimeAsync(1_000)
  expect(pings).toEqual([1, 1])
  expect(closed).toEqual([])
})

test('a server that gives no sign of life is given up, and another connection made', async () => {
  const { socket, closed } = await welcomed()
  await vi.advanceTimersByTimeAsync(34_900)
  expect(closed).toEqual([])
  await vi.advanceTimersByTimeAsync(300)
  expect(socket.closedWith).toBe(4000)
  expect(closed).toMatchObject([{ fault: { code: 'silent' }, final: false }])
  expect(FakeSocket.all).toHaveLength(2)
})

test('an answer on a thin line may take longer each time', async () => {
  const log = await welcomed()
  const patience: number[] = []
  for (let round = 0; round < 3; round += 1) {
    const asked = log.pings.length
    let waited = 0
    while (log.closed.length === round) {
      await vi.advanceTimersByTimeAsync(100)
      if (log.pings.length > asked) waited += 100
    }
    patience.push(waited)
    await vi.advanceTimersByTimeAsync(1_000)
    ;(await nextSocket()).fire('open')
    log.connection.welcomed()
  }
  expect(patience.map(ms => Math.round(ms / 1_000))).toEqual([5, 10, 20])
})

test('what is still being sent is waited for', async () => {
  const { socket, pings, closed } = await welcomed()
  socket.bufferedAmount = 6
  await vi.advanceTimersByTimeAsync(30_000)
  for (let left = 5; left >= 0; left -= 1) {
    socket.bufferedAmount = left
    await vi.advanceTimersByTimeAsync(5_000)
  }
  expect(pings.length).toBeGreaterThan(5)
  expect(closed).toEqual([])
  await vi.advanceTimersByTimeAsync(5_000)
  expect(closed).toHaveLength(1)
})

test('a machine that slept asks at once, and gives an answer time to be read', async () => {
  const { socket, pings, closed } = await welcomed()
  await vi.advanceTimersByTimeAsync(1_000)
  // Timers stand still while it sleeps, the clock does not.
  vi.setSystemTime(Date.now() + 3_600_000)
  await vi.advanceTimersByTimeAsync(9_000)
  expect(pings).toEqual([1])
  vi.setSystemTime(Date.now() + 3_600_000)
  await vi.advanceTimersByTimeAsync(5_000)
  expect(closed).toEqual([])
  expect(pings).toEqual([1, 1])
  socket.fire('message', { data: new ArrayBuffer(1) })
  await vi.advanceTimersByTimeAsync(20_000)
  expect(closed).toEqual([])
})

test('pages that wake up ask at once; those that are hidden do not', async () => {
  const { window, document } = stubPage()
  const { socket, pings } = await welcomed()
  const wakes: [EventTarget, string][] = [
    [window, 'online'],
    [window, 'offline'],
    [window, 'pageshow'],
    [document, 'visibilitychange'],
    [document, 'resume'],
  ]
  for (const [index, [target, type]] of wakes.entries()) {
    target.dispatchEvent(new Event(type))
    expect(pings, type).toHaveLength(index + 1)
    socket.fire('message', { data: new ArrayBuffer(1) })
  }
  Object.assign(document, { visibilityState: 'hidden' })
  document.dispatchEvent(new Event('visibilitychange'))
  expect(pings).toHaveLength(wakes.length)
})

test('waking up cuts the waiting time short, and so does trying now', async () => {
  const { document } = stubPage()
  const log = connect(null)
  expect(log.connection.retryAt).toBeNull()
  ;(await nextSocket()).fire('close', { code: 1006, reason: '' })
  expect(log.connection.retryAt).toBeGreaterThan(Date.now())
  document.dispatchEvent(new Event('visibilitychange'))
  await nextSocket()
  expect(FakeSocket.all).toHaveLength(2)
  expect(log.connection.retryAt).toBeNull()
  ;(await nextSocket()).fire('close', { code: 1006, reason: '' })
  expect(FakeSocket.all).toHaveLength(2)
  log.connection.retry()
  await nextSocket()
  expect(FakeSocket.all).toHaveLength(3)
  log.connection.stop()
  document.dispatchEvent(new Event('visibilitychange'))
  log.connection.retry()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(FakeSocket.all).toHaveLength(3)
})

test('an attempt that hangs is replaced by trying now, wherever it hangs', async () => {
  const answers: Promise<string>[] = [new Promise(() => undefined)]
  const log = connect(() => answers.shift() ?? Promise.resolve('secret'))
  await vi.advanceTimersByTimeAsync(0)
  expect(FakeSocket.all).toHaveLength(0)
  log.connection.retry()
  const unopened = await nextSocket()
  log.connection.retry()
  const unwelcomed = await nextSocket()
  expect(FakeSocket.all).toHaveLength(2)
  unwelcomed.fire('open')
  log.connection.retry()
  const good = await nextSocket()
  expect(FakeSocket.all).toHaveLength(3)
  expect([unopened.closedWith, unwelcomed.closedWith]).toEqual([4000, 4000])
  // What the abandoned ones still send has no effect, nor has the end of their time.
  unopened.fire('open')
  unwelcomed.fire('close', { code: 1006, reason: '' })
  good.fire('open')
  log.connection.welcomed()
  log.connection.retry()
  await vi.advanceTimersByTimeAsync(20_000)
  expect(FakeSocket.all).toHaveLength(3)
  expect(good.closedWith).toBeUndefined()
  expect(log.opened).toEqual(['secret', 'secret'])
  expect(log.closed).toEqual([])
})

test('waking up leaves an attempt that is under way alone', async () => {
  const { document } = stubPage()
  connect(null)
  const socket = await nextSocket()
  document.dispatchEvent(new Event('visibilitychange'))
  await nextSocket()
  expect(FakeSocket.all).toHaveLength(1)
  expect(socket.closedWith).toBeUndefined()
})

test('a page that is left closes, and one that is gone back to connects again', async () => {
  const { window } = stubPage()
  const { socket, closed, connection } = await welcomed()
  window.dispatchEvent(new Event('pagehide'))
  expect(socket.closedWith).toBe(1001)
  expect(closed).toEqual([{ fault: null, final: false }])
  await vi.advanceTimersByTimeAsync(600_000)
  expect(FakeSocket.all).toHaveLength(1)
  window.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }))
  await nextSocket()
  expect(FakeSocket.all).toHaveLength(2)
  connection.stop()
  window.dispatchEvent(new Event('pagehide'))
  window.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }))
  await vi.advanceTimersByTimeAsync(600_000)
  expect(FakeSocket.all).toHaveLength(2)
})

test('a token callback that never answers is told, and asked again', async () => {
  let calls = 0
  const log = connect(() => {
    calls += 1
    return calls === 1 ? new Promise<string>(() => undefined) : 'secret'
  })
  await vi.advanceTimersByTimeAsync(59_000)
  expect(log.closed).toEqual([])
  await vi.advanceTimersByTimeAsync(2_000)
  expect(log.closed).toMatchObject([{ fault: { code: 'token' }, final: false }])
  expect(log.closed[0]?.fault?.message).toContain('60 seconds')
  ;(await nextSocket()).fire('open')
  expect(log.opened).toEqual(['secret'])
})

test('nobody is asked why, unless nothing was reached a few times', async () => {
  const asked: string[] = []
  vi.stubGlobal('fetch', (url: URL) => {
    asked.push(url.href)
    return Promise.reject(new TypeError('no network'))
  })
  const log = connect(null)
  for (let attempt = 0; attempt < 6; attempt += 1) {
    const socket = await nextSocket()
    if (attempt < 3) socket.fire('open')
    socket.fire('close', { code: 1006, reason: '' })
    if (attempt < 5) expect(asked).toEqual([])
    await vi.advanceTimersByTimeAsync(1_000)
  }
  expect(asked.length).toBeGreaterThan(0)
  expect(log.faults).toMatchObject([{ code: 'unreachable' }])
})

test('what a close code means is said in words', async () => {
  for (const code of [1001, 1002, 1009, 1013, 4400, 4409]) {
    const log = connect(null)
    const socket = await nextSocket()
    socket.fire('close', { code, reason: 'frame 4409' })
    log.connection.stop()
    const fault = log.closed[0]?.fault
    expect(fault?.message).not.toMatch(/[0-9]|frame/)
    expect(fault?.message).toMatch(/[a-z ]{20,}/)
  }
})

test('a socket that fails without closing ends its attempt, and the reason comes', async () => {
  const log = connect(null)
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    const socket = await nextSocket()
    expect(FakeSocket.all).toHaveLength(attempt)
    socket.readyState = 3
    socket.fire('error')
    await vi.advanceTimersByTimeAsync(1)
    expect(log.closed).toHaveLength(attempt)
    if (attempt < 3) await vi.advanceTimersToNextTimerAsync()
  }
  expect(log.faults).toMatchObject([{ code: 'unreachable' }])
  expect(log.faults[0]?.message).toContain('Content-Security-Policy')
})

test('a socket that fails and closes ends once, by what the closing says', async () => {
  const log = connect('token')
  const socket = await nextSocket()
  socket.fire('open')
  socket.readyState = 3
  socket.fire('error')
  socket.fire('close', { code: 4401, reason: 'expired' })
  await vi.advanceTimersByTimeAsync(60_000)
  expect(log.closed).toMatchObject([{ fault: { code: 'unauthorized' }, final: true }])
  expect(FakeSocket.all).toHaveLength(1)
})

test('a socket that reports a fault and lives on is kept', async () => {
  const log = await welcomed({ mute: false })
  log.socket.fire('error')
  await vi.advanceTimersByTimeAsync(60_000)
  expect(log.closed).toEqual([])
})

test('what cannot be read after the welcome comes from another version', async () => {
  const text = await welcomed()
  text.socket.fire('message', { data: 'hello' })
  const frame = await welcomed()
  frame.connection.refuse('unreadable frame')
  for (const { socket, closed } of [text, frame]) {
    expect(socket.closedWith).toBe(4000)
    expect(closed).toMatchObject([{ fault: { code: 'not-understood' }, final: false }])
  }
})
