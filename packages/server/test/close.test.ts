import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, it } from 'node:test'
import { nodeListener, serve } from '@countersign/server'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import { ask, openTcp, openTls } from './support.ts'

scrubProcess()

const authority = testAuthority()
const identity = authority.issue({ names: ['localhost', '127.0.0.1'] })
const ca = authority.rootPem
const pair = { cert: identity.chainPem, key: identity.keyPem }

for (const [name, options] of [
  ['HTTP', {}],
  ['HTTPS', pair],
] as const) {
  describe(`close, on ${name}`, () => {
    it('lets an answer under way finish, and ends its connection', async () => {
      const { promise: go, resolve: release } = Promise.withResolvers<void>()
      const { promise: reached, resolve: onReached } = Promise.withResolvers<void>()
      const server = await serve(async () => {
        onReached()
        await go
        return new Response('finished')
      }, options)
      const answer = ask(server.url, { tls: { ca }, headers: { connection: 'keep-alive' } })
      await reached
      const closed = server.close()
      release()
      const { body, headers } = await answer
      await closed
      assert.equal(body, 'finished')
      assert.equal(headers.connection, 'close')
    })

    it('lets a stream finish whose head was sent before', async () => {
      const { promise: go, resolve: release } = Promise.withResolvers<void>()
      const { promise: reached, resolve: onReached } = Promise.withResolvers<void>()
      const server = await serve(
        nodeListener(async (_incoming, outgoing) => {
          outgoing.writeHead(200, { 'content-length': 8 })
          outgoing.write('half')
          onReached()
          await go
          outgoing.end('half')
        }),
        options,
      )
      const answer = ask(server.url, { tls: { ca }, headers: { connection: 'keep-alive' } })
      await reached
      const closed = server.close()
      release()
      assert.equal((await answer).body, 'halfhalf')
      await closed
    })

    it('closes idle and silent connections at once', async () => {
      const server = await serve(() => new Response('page'), options)
      const silent = await openTcp(server.port)
      const idle =
        name === 'HTTPS' ? await openTls(server.port, { ca }) : await openTcp(server.port)
      const fresh =
        name === 'HTTPS' ? await openTls(server.port, { ca }) : await openTcp(server.port)
      idle.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await once(idle, 'data')
      const ends = [silent, idle, fresh].map((socket) => {
        socket.on('error', () => {})
        return once(socket.resume(), 'close')
      })
      await server.close({ timeoutMs: 60_000 })
      await Promise.all(ends)
    })

    it('answers a request that comes on an idle connection while there is a grace', async () => {
      const server = await serve(() => new Response('page'), options)
      const open = name === 'HTTPS' ? openTls(server.port, { ca }) : openTcp(server.port)
      const idle = await open
      idle.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await once(idle, 'data')
      const closed = server.close({ idleGraceMs: 20_000, timeoutMs: 60_000 })
      let answer = ''
      idle.on('data', (chunk: Buffer) => {
        answer += chunk.toString()
      })
      const ended = once(idle, 'close')
      idle.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await ended
      assert.match(answer, /^HTTP\/1\.1 200 [\s\S]*connection: close/i)
      await closed
    })

    it('cuts what is late', async () => {
      const { promise: reached, resolve: onReached } = Promise.withResolvers<void>()
      const server = await serve(async () => {
        onReached()
        return new Promise<Response>(() => {})
      }, options)
      const refused = assert.rejects(ask(server.url, { tls: { ca } }))
      await reached
      await server.close({ timeoutMs: 30 })
      await refused
    })

    it('cuts everything when its signal aborts', async () => {
      const { promise: reached, resolve: onReached } = Promise.withResolvers<void>()
      const server = await serve(async () => {
        onReached()
        return new Promise<Response>(() => {})
      }, options)
      const refused = assert.rejects(ask(server.url, { tls: { ca } }))
      await reached
      const controller = new AbortController()
      const closed = server.close({ timeoutMs: 60_000, signal: controller.signal })
      controller.abort()
      await closed
      await refused
    })

    it('accepts nobody any more, and a second close waits for the first', async () => {
      const server = await serve(() => new Response('page'), options)
      await Promise.all([server.close(), server.close()])
      await server.close()
      await assert.rejects(ask(server.url, { tls: { ca } }), { code: 'ECONNREFUSED' })
    })
  })
}

describe('close', () => {
  it('does not wait for a handshake that has only begun', async () => {
    const server = await serve(() => new Response('page'), pair)
    const socket = await openTcp(server.port)
    socket.on('error', () => {})
    socket.write('\u0016\u0003\u0001')
    await sleep(20)
    const gone = once(socket.resume(), 'close')
    await server.close({ timeoutMs: 60_000 })
    await gone
  })

  it('loses no answer under load', async () => {
    const server = await serve(async () => {
      await sleep(1)
      return new Response('page')
    }, pair)
    const agent = new Agent({ ca, keepAlive: true, maxSockets: 8 })
    const answers: string[] = []
    const errors: string[] = []
    const { promise: busy, resolve: onBusy } = Promise.withResolvers<void>()
    const client = async (): Promise<void> => {
      for (;;) {
        try {
          answers.push((await ask(server.url, { agent })).body)
          if (answers.length === 64) onBusy()
        } catch (error) {
          errors.push(String(Reflect.get(Object(error), 'code')))
          return
        }
      }
    }
    const clients = Array.from({ length: 8 }, client)
    await busy
    await server.close()
    await Promise.all(clients)
    agent.destroy()
    assert.deepEqual([...new Set(answers)], ['page'])
    // Refused at the door, or closed while idle: never in the middle of an answer.
    for (const code of errors) assert.match(code, /^(ECONNREFUSED|ECONNRESET|EPIPE)$/)
  })

  it('happens at the end of a block', async () => {
    let url: string
    {
      await using server = await serve(() => new Response('page'))
      url = server.url
      assert.equal((await ask(url)).status, 200)
    }
    await assert.rejects(ask(url), { code: 'ECONNREFUSED' })
  })
})
