import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { connect as connectTcp, createServer, type Socket } from 'node:net'
import { once } from 'node:events'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { serve, type ServeOptions, type Server } from '@countersign/server'
import {
  outsideTool,
  scrubProcess,
  skipWithout,
  startCommand,
  temporaryFolder,
  testAuthority,
} from '@countersign/testkit'
import * as fc from 'fast-check'
import { readProxyHeader } from '../src/proxy-protocol.ts'
import { curl, Failures, openTcp, talk } from './support.ts'

scrubProcess()

const folder = temporaryFolder(after)
const authority = testAuthority()
const identity = authority.issue({ names: ['localhost', '127.0.0.1'] })
const { roots } = identity.write(folder, 'server')
const ca = authority.rootPem
const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
const FROM_HERE = { from: ['127.0.0.1/8'] }
const LINE = 'PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n'

async function start(options: ServeOptions = {}): Promise<Server> {
  return serve((_request, { peer }) => Response.json(peer), {
    cert: identity.chainPem,
    key: identity.keyPem,
    proxyProtocol: FROM_HERE,
    ...options,
  })
}

/** A header of version 2. */
function binary(command: number, family: number, body: Buffer): Buffer {
  const head = Buffer.from([
    13,
    10,
    13,
    10,
    0,
    13,
    10,
    81,
    85,
    73,
    84,
    10,
    0x20 | command,
    family,
    0,
    0,
  ])
  head.writeUInt16BE(body.length, 14)
  return Buffer.concat([head, body])
}

const IPV4 = Buffer.from([192, 0, 2, 9, 198, 51, 100, 1, 0x12, 0x67, 1, 187])

async function overTls(socket: Socket): Promise<Record<string, unknown>> {
  const secured = connectTls({ socket, servername: 'localhost', ca })
  const answer = await talk(secured, GET)
  return JSON.parse(answer.split('\r\n\r\n')[1] ?? '')
}

describe('the PROXY protocol', () => {
  it('says who is behind the proxy, in both versions, over TLS and plain HTTP', async () => {
    await using server = await start()
    for (const [header, address, port] of [
      [Buffer.from(LINE), '192.0.2.7', 4711],
      [binary(1, 0x11, IPV4), '192.0.2.9', 4711],
      [binary(1, 0x11, Buffer.concat([IPV4, Buffer.from([4, 0, 2, 1, 1])])), '192.0.2.9', 4711],
      [Buffer.from('PROXY TCP6 2001:db8::7 2001:db8::1 5 443\r\n'), '2001:db8::7', 5],
      [
        binary(
          1,
          0x21,
          Buffer.concat([
            Buffer.from('20010db8000000000000000000000007'.repeat(2), 'hex'),
            Buffer.from([0, 5, 1, 187]),
          ]),
        ),
        '2001:db8::7',
        5,
      ],
    ] as const) {
      const socket = await openTcp(server.port)
      socket.write(header)
      const peer = await overTls(socket)
      assert.deepEqual([peer['address'], peer['port']], [address, port])
    }
    await using plain = await serve((_request, { peer }) => Response.json(peer), {
      proxyProtocol: FROM_HERE,
    })
    const answer = await talk(await openTcp(plain.port), LINE + GET)
    assert.match(answer, /"address":"192\.0\.2\.7"/)
  })

  it('leaves the own address where the proxy speaks for itself', async () => {
    await using server = await start()
    for (const header of [
      Buffer.from('PROXY UNKNOWN\r\n'),
      Buffer.from('PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n'),
      binary(0, 0, Buffer.alloc(0)),
      binary(0, 0x11, IPV4),
      binary(1, 0, Buffer.alloc(0)),
    ]) {
      const socket = await openTcp(server.port)
      socket.write(header)
      assert.equal((await overTls(socket))['address'], '127.0.0.1')
    }
  })

  it('is read byte by byte, together with what follows', async () => {
    await using server = await start()
    const socket = await openTcp(server.port)
    socket.setNoDelay(true)
    for (const byte of LINE) {
      socket.write(byte)
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.equal((await overTls(socket))['address'], '192.0.2.7')
  })

  it('is demanded of the proxy', async () => {
    const failures = new Failures()
    await using server = await start({ onHandshakeError: failures.add })
    assert.equal(await talk(await openTcp(server.port), GET), '')
    const failure = await failures.next()
    assert.match(failure.message, /no PROXY header/)
    assert.equal(failure.address, '127.0.0.1')
  })

  it('is refused from anybody else', async () => {
    const failures = new Failures()
    for (const proxyProtocol of [undefined, { from: ['192.0.2.0/24', '::1'] }]) {
      await using server = await start({ proxyProtocol, onHandshakeError: failures.add })
      assert.equal(await talk(await openTcp(server.port), LINE + GET), '')
      assert.match((await failures.next()).message, /may not send one/)
      const socket = await openTcp(server.port)
      socket.write(binary(1, 0x11, IPV4))
      assert.equal(await talk(socket, ''), '')
      assert.match((await failures.next()).message, /neither TLS nor HTTP/)
    }
  })

  it('reports the client, not the proxy, where a handshake fails', async () => {
    const failures = new Failures()
    await using server = await start({ onHandshakeError: failures.add })
    const socket = await openTcp(server.port)
    socket.write(LINE)
    await talk(socket, '\u0016garbage')
    const { address, port } = await failures.next()
    assert.deepEqual([address, port], ['192.0.2.7', 4711])
  })

  for (const [name, header] of [
    ['a line that is too long', Buffer.from(`PROXY UNKNOWN ${'x'.repeat(107)}\r\n`)],
    ['an address of the wrong family', Buffer.from('PROXY TCP4 ::1 ::1 1 2\r\n')],
    ['a port that is too large', Buffer.from('PROXY TCP4 192.0.2.7 192.0.2.8 65536 2\r\n')],
    ['a port with a zero before it', Buffer.from('PROXY TCP4 192.0.2.7 192.0.2.8 01 2\r\n')],
    ['another protocol', Buffer.from('PROXY UDP4 192.0.2.7 192.0.2.8 1 2\r\n')],
    ['two spaces', Buffer.from('PROXY TCP4  192.0.2.7 192.0.2.8 1 2\r\n')],
    ['a zone', Buffer.from('PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n')],
    ['version 1 in binary', Buffer.from(binary(1, 0x11, IPV4)).fill(0x11, 12, 13)],
    ['an unknown command', binary(2, 0x11, IPV4)],
    ['UDP', binary(1, 0x12, IPV4)],
    ['an address that is cut', binary(1, 0x11, IPV4.subarray(1))],
    ['more than 2048 bytes', binary(1, 0x11, Buffer.alloc(2049))],
  ] as const) {
    it(`closes on ${name}`, async () => {
      await using server = await start()
      const socket = await openTcp(server.port)
      socket.write(header)
      assert.equal(await talk(socket, GET), '')
    })
  }

  it('closes on a header that never ends', async () => {
    const failures = new Failures()
    await using server = await start({
      limits: { handshakeMs: 1000 },
      onHandshakeError: failures.add,
    })
    assert.equal(await talk(await openTcp(server.port), 'PROXY TCP4'), '')
    assert.equal((await failures.next()).code, 'handshake-timeout')
  })

  it('refuses an allowance of nobody, or of what is no address', async () => {
    for (const from of [[], ['localhost'], ['10.0.0.0/33'], ['10.0.0.0/x'], ['::/129'], ['']]) {
      await assert.rejects(start({ proxyProtocol: { from } }), { code: 'option-invalid' })
    }
  })

  it('survives anything', () => {
    const seeds = [Buffer.from(LINE), binary(1, 0x11, IPV4), binary(1, 0x21, Buffer.alloc(40))]
    fc.assert(
      fc.property(
        fc.constantFrom(...seeds),
        fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 6 }),
        fc.nat(60),
        (seed, changes, length) => {
          const bytes = Buffer.from(seed)
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value
          const whole = readProxyHeader(bytes)
          if (whole.state === 'complete') assert.ok(whole.length <= bytes.length)
          const part = readProxyHeader(bytes.subarray(0, length))
          if (part.state === 'malformed') assert.equal(whole.state, 'malformed')
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('is what curl --haproxy-protocol sends', { skip: skipWithout('curl') }, async () => {
    await using server = await start()
    const args = ['--haproxy-protocol', '--cacert', roots, `https://127.0.0.1:${server.port}/`]
    const { stdout, stderr } = await curl(outsideTool('curl') ?? '', args)
    assert.equal(JSON.parse(stdout || '{}').address, '127.0.0.1', stderr)
  })

  for (const version of ['send-proxy', 'send-proxy-v2']) {
    it(`is what haproxy sends with ${version}`, { skip: skipWithout('haproxy') }, async () => {
      await using server = await start()
      const port = await freePort()
      const configuration = path.join(folder, `${version}.cfg`)
      writeFileSync(
        configuration,
        [
          'defaults',
          '  mode tcp',
          '  timeout connect 15s',
          '  timeout client 15s',
          '  timeout server 15s',
          'frontend near',
          `  bind 127.0.0.1:${port}`,
          '  default_backend far',
          'backend far',
          `  server countersign 127.0.0.1:${server.port} ${version}`,
          '',
        ].join('\n'),
      )
      await using _ = startCommand(outsideTool('haproxy') ?? '', ['-f', configuration, '-db'])
      const socket = await connected(port)
      const { localPort } = socket
      const peer = await overTls(socket)
      assert.deepEqual([peer['address'], peer['port']], ['127.0.0.1', localPort])
    })
  }
})

/** haproxy takes no port 0: one that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  server.close()
  await once(server, 'close')
  return port
}

/** A connection to a program that is just starting. */
async function connected(port: number): Promise<Socket> {
  for (;;) {
    const socket = connectTcp({ port, host: '127.0.0.1' })
    const outcome = await Promise.race([
      once(socket, 'connect').then(() => 'connected'),
      once(socket, 'close').then(() => 'refused'),
    ]).catch(() => 'refused')
    if (outcome === 'connected') return socket
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
