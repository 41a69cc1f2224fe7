import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { describe, it } from 'node:test'
import { serve } from '@countersign/server'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import { ask, openTcp, openTls } from './support.ts'

scrubProcess()

const authority = testAuthority()
const identity = authority.issue({ names: ['localhost', '127.0.0.1'] })
const ca = authority.rootPem
const pair = { cert: identity.chainPem, key: identity.keyPem }
const ATTACKERS = 20

/** Drips bytes until the other side has closed; all that came back. */
async function drip(socket: Socket, head: string | Uint8Array, drop: string): Promise<string> {
  socket.on('error', () => {})
  let answer = ''
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString('latin1')
  })
  // A reset is an end as well; `once` of node:events would reject.
  const { promise: closed, resolve } = Promise.withResolvers<void>()
  socket.once('close', () => resolve())
  socket.write(head)
  const timer = setInterval(() => socket.writable && socket.write(drop), 100)
  await closed
  clearInterval(timer)
  return answer
}

/** A record of 512 bytes, and the first of the 508 of a ClientHello. */
const HALF_OPEN = Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3])

const ATTACKS = [
  {
    name: 'slow headers',
    open: (port: number) => openTls(port, { ca }),
    head: 'GET / HTTP/1.1\r\n',
    drop: 'x: y\r\n',
    answer: /^HTTP\/1\.1 408 /,
  },
  {
    name: 'slow bodies',
    open: (port: number) => openTls(port, { ca }),
    head: 'POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9999\r\n\r\n',
    drop: 'a',
    answer: /^HTTP\/1\.1 408 /,
  },
  {
    name: 'half-open handshakes',
    open: (port: number) => openTcp(port),
    head: HALF_OPEN,
    drop: '\0',
    answer: /^$/,
  },
]

describe('a server under attack', () => {
  for (const { name, open, head, drop, answer } of ATTACKS) {
    it(`cuts ${name}, and answers everybody else meanwhile`, async () => {
      const failures: string[] = []
      await using server = await serve(async (request) => new Response(await request.text()), {
        ...pair,
        onError: () => {},
        onHandshakeError: ({ code }) => failures.push(code),
        limits: { handshakeMs: 1000, headersMs: 1000, requestMs: 60_000, bodyPaceMs: 1000 },
      })
      const cut: string[] = []
      const attacks = Array.from({ length: ATTACKERS }, async () => {
        const answered = await drip(await open(server.port), head, drop)
        cut.push(answered)
      })
      do {
        const good = await ask(server.url, { tls: { ca }, method: 'POST', body: 'good' })
        assert.equal(good.status, 200)
        assert.equal(good.body, 'good')
      } while (cut.length < ATTACKERS)
      await Promise.all(attacks)
      for (const answered of cut) assert.match(answered, answer)
      const slowHellos = failures.filter((code) => code === 'handshake-timeout')
      assert.equal(slowHellos.length, head === HALF_OPEN ? ATTACKERS : 0)
    })
  }
})
