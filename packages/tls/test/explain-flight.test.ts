import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { before, describe, it } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { scrubProcess } from '@countersign/testkit'
import * as fc from 'fast-check'
import { Bridge } from '../src/bridge.ts'
import { protocolOf } from '../src/explain/banner.ts'
import { MessageAssembler, noteMessage } from '../src/explain/handshake-messages.ts'
import { handshakeSecret, readServerFlight } from '../src/explain/server-flight.ts'
import { serveChain } from './explain-support.ts'
import { authority, localhost } from './support.ts'

scrubProcess()

const alice = authority.issue({ names: ['alice'], client: true })

/** What a server sent until the handshake was done, and the secret it was sent under. */
interface Recording {
  bytes: Buffer
  secret: Uint8Array | undefined
}

const recordings = new Map<string, Recording>()

before(async () => {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    await using server = await serveChain(
      [localhost.certificate, authority.issuer],
      localhost.key,
      {
        minVersion: version,
        maxVersion: version,
        requestCert: true,
        ca: [authority.rootPem, authority.issuerPem],
        ALPNProtocols: ['http/1.1'],
      },
    )
    const chunks: Buffer[] = []
    let secret: Uint8Array | undefined
    const tcp = connectTcp(server.port, '127.0.0.1')
    tcp.on('data', (chunk: Buffer) => chunks.push(chunk))
    const socket = connectTls({
      // Over a stream of its own the bytes can be seen.
      socket: new Bridge(tcp),
      ca: authority.rootPem,
      cert: alice.chainPem,
      key: alice.keyPem,
      servername: 'localhost',
      ALPNProtocols: ['http/1.1'],
    })
    socket.on('keylog', (line) => {
      secret ??= handshakeSecret(line.toString())
    })
    await once(socket, 'secureConnect')
    recordings.set(version, { bytes: Buffer.concat(chunks), secret })
    socket.destroy()
  }
})

function recorded(version: string): Recording {
  const recording = recordings.get(version)
  assert.ok(recording)
  return recording
}

describe('the first flight of a server', () => {
  for (const version of ['TLSv1.2', 'TLSv1.3']) {
    it(`is read whole: ${version}`, () => {
      const { bytes, secret } = recorded(version)
      const flight = readServerFlight(bytes, secret)
      assert.equal(flight.version, version)
      assert.equal(flight.isComplete, true)
      assert.equal(flight.alpn, 'http/1.1')
      assert.notEqual(flight.group, undefined)
      assert.deepEqual(
        flight.chain?.map((der) => Buffer.from(der).toString('hex')),
        [localhost.certificate, authority.issuer].map(({ der }) =>
          Buffer.from(der).toString('hex'),
        ),
      )
      assert.deepEqual(
        flight.certificateRequest?.authorities.map((der) => Buffer.from(der).toString('hex')),
        [authority.root, authority.issuer].map(({ subject }) =>
          Buffer.from(subject.der).toString('hex'),
        ),
      )
      assert.ok((flight.certificateRequest?.signatureSchemes.length ?? 0) > 3)
    })

    it(`is read as far as it is there, at every cut: ${version}`, () => {
      const { bytes, secret } = recorded(version)
      for (let length = 0; length < bytes.length; length += 7) {
        const { chain, isComplete } = readServerFlight(bytes.subarray(0, length), secret)
        assert.ok(chain === undefined || chain.length === 2)
        assert.ok(!isComplete || chain !== undefined)
      }
    })

    it(`is not misread with a byte changed: ${version}`, () => {
      const { bytes, secret } = recorded(version)
      fc.assert(
        fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
          const changed = Buffer.from(bytes)
          changed[at] = (changed[at] ?? 0) ^ mask
          const { chain } = readServerFlight(changed, secret)
          // Under the keys of TLS 1.3 a changed record is no record.
          if (version === 'TLSv1.3') assert.ok(chain === undefined || chain.length === 2)
        }),
      )
    })
  }

  it('stays closed without its secret, or with another', () => {
    const { bytes } = recorded('TLSv1.3')
    assert.equal(readServerFlight(bytes).chain, undefined)
    assert.equal(readServerFlight(bytes).version, 'TLSv1.3')
    assert.equal(readServerFlight(bytes, new Uint8Array(32)).chain, undefined)
  })

  it('is unknown where it is anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
        assert.equal(readServerFlight(bytes, new Uint8Array(32)).isComplete, false)
        protocolOf(bytes)
      }),
    )
  })

  it('changes nothing where a message is malformed', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(2, 8, 11, 12, 13),
        fc.constantFrom('TLSv1.2' as const, 'TLSv1.3' as const),
        fc.uint8Array({ maxLength: 300 }),
        (type, version, body) => {
          const flight = noteMessage({ version, isComplete: false }, { type, body })
          assert.ok((flight.chain?.length ?? 0) <= 32)
          assert.equal(flight.isComplete, false)
        },
      ),
    )
  })

  it('is put together however its messages are cut', () => {
    const message = Buffer.concat([Buffer.of(11, 0, 1, 44), Buffer.alloc(300, 7)])
    const twice = Buffer.concat([message, message, Buffer.of(14, 0, 0, 0)])
    fc.assert(
      fc.property(fc.array(fc.nat(twice.length), { maxLength: 20 }), (cuts) => {
        const assembler = new MessageAssembler()
        const places = [0, ...cuts.toSorted((a, b) => a - b), twice.length]
        const messages = places
          .slice(1)
          .flatMap((end, index) => assembler.add(twice.subarray(places[index], end)))
        assert.deepEqual(
          messages.map(({ type, body }) => [type, body.length]),
          [
            [11, 300],
            [11, 300],
            [14, 0],
          ],
        )
      }),
    )
  })

  it('costs no more than it is long: a byte a record, thousands of messages, a length that lies', () => {
    const drops = Buffer.from(Array.from({ length: 80_000 }, () => record(0)).flat())
    const empty = Buffer.from(
      Array.from({ length: 10_000 }, () => record(0, 0, 0, 0, 0, 0, 0, 0)).flat(),
    )
    const lie = Buffer.concat([Buffer.from(record(11, 255, 255, 255)), drops])
    for (const bytes of [drops, empty, lie]) {
      assert.deepEqual(readServerFlight(bytes), { isComplete: false })
    }
  })
})

/** A handshake record. */
function record(...content: number[]): number[] {
  return [22, 3, 3, 0, content.length, ...content]
}
