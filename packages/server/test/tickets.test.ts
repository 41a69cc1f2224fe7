import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type ConnectionOptions } from 'node:tls'
import { describe, it } from 'node:test'
import { serve, type ServeOptions, type Server } from '@countersign/server'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import { TicketKeys } from '../src/ticket-keys.ts'
import { talk } from './support.ts'

scrubProcess()

const authority = testAuthority()
const identity = authority.issue({ names: ['localhost', '127.0.0.1'] })
const client = authority.issue({ names: ['ada'], client: true })
const ca = authority.rootPem
const pair = { cert: identity.chainPem, key: identity.keyPem }
const REQUEST = 'GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n'
const HOUR = 3_600_000

const greet = (): Response => new Response('page')

/** One visit: whether the session was resumed, and a session for the next where there was none before. */
async function visit(
  { port }: Server,
  options: ConnectionOptions,
): Promise<{ reused: boolean; session: Buffer }> {
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca, ...options })
  let session = options.session
  socket.on('session', (fresh: Buffer) => {
    session = fresh
  })
  await once(socket, 'secureConnect')
  const reused = socket.isSessionReused()
  assert.match(await talk(socket, REQUEST), /^HTTP\/1\.1 200 /)
  assert.ok(session !== undefined)
  return { reused, session }
}

/** The share of visits that were resumed. */
async function resumed(
  server: Server,
  sessions: readonly Buffer[],
  options: ConnectionOptions,
): Promise<number> {
  let count = 0
  for (const session of sessions) if ((await visit(server, { ...options, session })).reused) count++
  return count / sessions.length
}

async function sessionsOf(server: Server, options: ConnectionOptions): Promise<Buffer[]> {
  const sessions: Buffer[] = []
  for (let count = 0; count < 5; count++) sessions.push((await visit(server, options)).session)
  return sessions
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  describe(`session tickets, ${version}`, () => {
    const only = { minVersion: version, maxVersion: version }

    it('are taken by every server with the same secret, and by no other', async () => {
      const tickets = { secret: randomBytes(32) }
      await using one = await serve(greet, { ...pair, tickets })
      await using two = await serve(greet, { ...pair, tickets })
      await using stranger = await serve(greet, pair)
      const sessions = await sessionsOf(one, only)
      assert.equal(await resumed(one, sessions, only), 1)
      assert.equal(await resumed(two, sessions, only), 1)
      assert.equal(await resumed(stranger, sessions, only), 0)
    })

    it('are taken across one change of the key, and not across two', async () => {
      let now = new Date(Math.ceil(Date.now() / HOUR) * HOUR + 1000)
      const options = {
        ...pair,
        tickets: { secret: randomBytes(32), rotateMs: HOUR },
        clock: () => now,
      } satisfies ServeOptions
      await using server = await serve(greet, options)
      const first = await sessionsOf(server, only)
      const kept = await sessionsOf(server, only)
      now = new Date(now.getTime() + HOUR)
      assert.equal(await resumed(server, first, only), 1)
      const second = await sessionsOf(server, only)
      await using other = await serve(greet, options)
      assert.equal(await resumed(other, second, only), 1)
      assert.equal(await resumed(other, kept, only), 1)
      now = new Date(now.getTime() + HOUR)
      assert.equal(await resumed(server, kept, only), 0)
      assert.equal(await resumed(server, second, only), 1)
    })

    it('of the key before are not taken once the trust has changed', async () => {
      let now = new Date(Math.ceil(Date.now() / HOUR) * HOUR + 1000)
      await using server = await serve(greet, {
        ...pair,
        ca,
        verifyUser: true,
        tickets: { rotateMs: HOUR },
        clock: () => now,
      })
      const identified = { ...only, cert: client.chainPem, key: client.keyPem }
      const { session } = await visit(server, identified)
      now = new Date(now.getTime() + HOUR)
      assert.equal((await visit(server, { ...identified, session })).reused, true)
      const other = testAuthority()
      await server.reload({ ca: [ca, other.rootPem] })
      assert.equal((await visit(server, { ...identified, session })).reused, false)
    })

    it('of the key before are taken after the certificate has changed', async () => {
      let now = new Date(Math.ceil(Date.now() / HOUR) * HOUR + 1000)
      await using server = await serve(greet, {
        ...pair,
        tickets: { rotateMs: HOUR },
        clock: () => now,
      })
      const { session } = await visit(server, only)
      now = new Date(now.getTime() + HOUR)
      const next = authority.issue({ names: ['localhost', '127.0.0.1'] })
      await server.reload({ cert: next.chainPem, key: next.keyPem })
      assert.equal((await visit(server, { ...only, session })).reused, true)
    })
  })
}

describe('the keys of session tickets', () => {
  const secret = randomBytes(32)

  const at = (now: number, given = secret): string =>
    new TicketKeys({ secret: given, rotateMs: 1000 }, () => now).current.bytes.toString('hex')

  it('are equal where secret and time are, and different else', () => {
    assert.equal(at(5000), at(5999))
    assert.notEqual(at(5000), at(6000))
    assert.notEqual(at(5000), at(5000, randomBytes(32)))
    assert.equal(Buffer.from(at(5000), 'hex').length, 48)
  })

  it('are derived anew after a pause of many periods', () => {
    let now = 5000
    const keys = new TicketKeys({ secret, rotateMs: 1000 }, () => now)
    const old = keys.current.name
    now = 9000
    assert.equal(keys.honours(old), false)
    const before = new TicketKeys({ secret, rotateMs: 1000 }, () => 8000).current.name
    assert.equal(keys.find(before).name, before)
    assert.equal(keys.find(old).name, keys.current.name)
    assert.equal(keys.find(undefined).name, keys.current.name)
  })

  it('want a long secret and a sensible time', async () => {
    for (const tickets of [{ secret: randomBytes(31) }, { rotateMs: 999 }, { rotateMs: 1.5 }]) {
      await assert.rejects(serve(greet, { ...pair, tickets }), { code: 'option-invalid' })
    }
  })
})
