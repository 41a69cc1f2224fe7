import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { connect, type ConnectionOptions } from 'node:tls'
import {
  type ClientHello,
  ClientHelloReader,
  createDefaultContext,
  type HelloProgress,
  listen,
} from '@countersign/tls'
import {
  outsideTool,
  runCommand,
  scrubProcess,
  skipWithout,
  testAuthority,
} from '@countersign/testkit'
import * as fc from 'fast-check'

scrubProcess()

const authority = testAuthority()

/** A server that reads hellos and never answers. */
let sink: Server
let received: (bytes: Buffer) => void = () => {}
before(async () => {
  sink = createServer((socket) => {
    const parts: Buffer[] = []
    const reader = new ClientHelloReader()
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      parts.push(chunk)
      if (reader.add(chunk).state === 'incomplete') return
      received(Buffer.concat(parts))
      socket.destroy()
    })
  }).listen(0, '127.0.0.1')
  await once(sink, 'listening')
})
after(() => sink.close())

function port(): number {
  const address = sink.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

async function helloBytes(options: ConnectionOptions): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>()
  received = resolve
  const socket = connect({ port: port(), host: '127.0.0.1', ...options })
  socket.on('error', () => {})
  const bytes = await promise
  socket.destroy()
  return bytes
}

function read(bytes: Uint8Array): HelloProgress {
  return new ClientHelloReader().add(bytes)
}

function hello(bytes: Uint8Array): ClientHello {
  const progress = read(bytes)
  assert.equal(progress.state, 'complete', JSON.stringify(progress))
  if (progress.state !== 'complete') throw new Error('unreachable')
  return progress.hello
}

/** The same handshake message in records of at most `size` bytes. */
function inRecords(bytes: Buffer, size: number): Buffer {
  const body = bytes.subarray(5)
  const records: Buffer[] = []
  for (let at = 0; at < body.length; at += size) {
    const part = body.subarray(at, at + size)
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part)
  }
  return Buffer.concat(records)
}

describe('ClientHelloReader', () => {
  it('reads what Node says: name, protocols, versions, groups', async () => {
    const found = hello(
      await helloBytes({
        servername: 'API.corp.internal',
        ALPNProtocols: ['h2', 'http/1.1'],
        ecdhCurve: 'X25519MLKEM768:X25519:P-256',
      }),
    )
    assert.deepEqual(found, {
      serverName: 'api.corp.internal',
      alpn: ['h2', 'http/1.1'],
      versions: ['TLSv1.3', 'TLSv1.2'],
      groups: ['X25519MLKEM768', 'X25519', 'P-256'],
      keyShares: ['X25519MLKEM768'],
      ticketKeyName: undefined,
    })
  })

  it('reads a client that names nobody, and speaks one version', async () => {
    const found = hello(await helloBytes({ maxVersion: 'TLSv1.2' }))
    assert.equal(found.serverName, undefined)
    assert.deepEqual(found.versions, ['TLSv1.2'])
    assert.deepEqual(found.alpn, [])
    assert.deepEqual(found.keyShares, [])
  })

  it('reads what openssl says', { skip: skipWithout('openssl') }, async () => {
    const { promise, resolve } = Promise.withResolvers<Buffer>()
    received = resolve
    const target = ['-connect', `127.0.0.1:${port()}`, '-servername', 'web', '-alpn', 'http/1.1']
    const done = runCommand(outsideTool('openssl') ?? '', ['s_client', ...target])
    const found = hello(await promise)
    await done
    assert.equal(found.serverName, 'web')
    assert.deepEqual(found.alpn, ['http/1.1'])
    assert.ok(found.versions.includes('TLSv1.3'))
  })

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`finds the name of the ticket key of a session of ${version}`, async () => {
      const server = authority.issue({ names: ['localhost'] })
      const context = createDefaultContext({
        purpose: 'client-auth',
        cert: server.chainPem,
        key: server.keyPem,
        maxVersion: version,
      })
      await using listener = await listen({ host: '127.0.0.1', context })
      const socket = connect({
        port: listener.port,
        host: '127.0.0.1',
        servername: 'localhost',
        ca: authority.rootPem,
        maxVersion: version,
      })
      const [session]: Buffer[] = await once(socket, 'session')
      socket.destroy()
      const found = hello(
        await helloBytes({
          servername: 'localhost',
          ca: authority.rootPem,
          ...(session === undefined ? {} : { session }),
        }),
      )
      assert.match(found.ticketKeyName ?? '', /^[0-9a-f]{32}$/)
    })
  }

  it('is the same however the bytes are cut', async () => {
    const bytes = await helloBytes({ servername: 'localhost', ecdhCurve: 'X25519MLKEM768' })
    assert.ok(bytes.length > 1400)
    const expected = hello(bytes)
    for (const size of [1, 7, 100, 1000]) {
      for (const records of [bytes, inRecords(bytes, 90), inRecords(bytes, 1)]) {
        const reader = new ClientHelloReader(100_000)
        let progress: HelloProgress = { state: 'incomplete' }
        for (let at = 0; at < records.length; at += size) {
          assert.equal(progress.state, 'incomplete')
          progress = reader.add(records.subarray(at, at + size))
        }
        assert.deepEqual(progress, { state: 'complete', hello: expected })
      }
    }
  })

  it('wants more of every part of a hello', async () => {
    const bytes = await helloBytes({ servername: 'localhost' })
    for (let length = 0; length < bytes.length; length++) {
      assert.equal(read(bytes.subarray(0, length)).state, 'incomplete', String(length))
    }
  })

  for (const [name, bytes, why] of [
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n'), /no handshake record/],
    ['an alert', Buffer.from([21, 3, 1, 0, 2, 1, 0]), /no handshake record/],
    ['SSL 2', Buffer.from([22, 2, 0, 0, 1, 1]), /no version of TLS/],
    ['an empty record', Buffer.from([22, 3, 1, 0, 0]), /empty record/],
    ['a record that is too long', Buffer.from([22, 3, 1, 0x40, 1]), /16384/],
    ['another message', Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0]), /no ClientHello/],
    ['a hello that is too long', Buffer.from([22, 3, 1, 0, 4, 1, 1, 0, 0]), /65540 bytes/],
    ['an empty hello', Buffer.from([22, 3, 1, 0, 4, 1, 0, 0, 0]), /wanted/],
  ] as const) {
    it(`refuses ${name}`, () => {
      const progress = read(bytes)
      assert.equal(progress.state, 'malformed')
      assert.match(progress.state === 'malformed' ? progress.why : '', why)
    })
  }

  it('refuses extensions that are doubled, cut or out of order', () => {
    const name = extension(0, vector(2, Buffer.concat([Buffer.from([0]), vector(2, ascii('a.b'))])))
    assert.equal(hello(made(name)).serverName, 'a.b')
    const two = Buffer.concat([
      Buffer.from([0]),
      vector(2, ascii('a')),
      Buffer.from([0]),
      vector(2, ascii('b')),
    ])
    for (const extensions of [
      Buffer.concat([name, name]),
      extension(0, vector(2, two)),
      extension(0, vector(2, Buffer.concat([Buffer.from([0]), vector(2, ascii('a\0b'))]))),
      extension(0, vector(2, Buffer.concat([Buffer.from([0]), vector(2, ascii(''))]))),
      extension(0, Buffer.from([0, 9, 0])),
      extension(10, Buffer.from([0, 3, 0, 29, 0])),
      extension(10, Buffer.from([0, 0])),
      extension(16, Buffer.from([0, 1, 0])),
      extension(16, Buffer.from([0, 3, 2, 104, 50, 1])),
      extension(43, Buffer.from([0])),
      Buffer.concat([extension(41, Buffer.from([0, 7, 0, 1, 65, 0, 0, 0, 0, 0, 2, 1, 66])), name]),
      extension(41, Buffer.from([0, 0, 0, 0])),
    ]) {
      assert.equal(read(made(extensions)).state, 'malformed', extensions.toString('hex'))
    }
  })

  it('stops at its limit', () => {
    const reader = new ClientHelloReader(100)
    const record = Buffer.from([22, 3, 1, 0, 1, 1])
    assert.equal(reader.add(record).state, 'incomplete')
    assert.equal(reader.add(Buffer.from([22, 3, 1, 0, 3, 0, 0, 90])).state, 'incomplete')
    let state = 'incomplete'
    let count = 0
    while (state === 'incomplete' && count++ < 100)
      state = reader.add(Buffer.from([22, 3, 1, 0, 1, 0])).state
    assert.equal(state, 'malformed')
    assert.ok(count <= 15, String(count))
  })

  it('survives anything', async () => {
    const bytes = await helloBytes({ servername: 'localhost', ALPNProtocols: ['h2'] })
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 400 }),
        (changes, size) => {
          const mutated = Buffer.from(bytes)
          for (const [at, value] of changes) mutated[at] = value
          const whole = read(mutated)
          const reader = new ClientHelloReader()
          let cut: HelloProgress = { state: 'incomplete' }
          for (let at = 0; at < mutated.length && cut.state === 'incomplete'; at += size) {
            cut = reader.add(mutated.subarray(at, at + size))
          }
          assert.equal(cut.state, whole.state)
        },
      ),
      { numRuns: 500 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (random) => {
        read(made(Buffer.from(random)))
        read(random)
      }),
      { numRuns: 500 },
    )
  })
})

/** A hello with these extensions. */
function made(extensions: Buffer): Buffer {
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32),
    Buffer.from([0, 0, 2, 0x13, 0x01, 1, 0]),
    vector(2, extensions),
  ])
  const message = Buffer.concat([Buffer.from([1]), vector(3, body)])
  return Buffer.concat([Buffer.from([22, 3, 1]), vector(2, message)])
}

function extension(type: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type >> 8, type & 255]), vector(2, body)])
}

function vector(size: number, body: Buffer): Buffer {
  const length = Buffer.alloc(size)
  length.writeUIntBE(body.length, 0, size)
  return Buffer.concat([length, body])
}

function ascii(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}
