import assert from 'node:assert/strict'
import { createServer } from 'node:https'
import type { Socket } from 'node:net'
import { describe, it } from 'node:test'
import { runCommand, scrubProcess } from '@countersign/testkit'
import { type Explanation, explanationToJson } from '@countersign/tls'
import { buildCertificate, Certificate, Name, PrivateKey } from '@countersign/x509'
import { DAY, explainServer, makeLeaf, serveChain, served, serveTcp } from './explain-support.ts'
import { localhost } from './support.ts'

scrubProcess()

describe('explain comes to an end with a server that', () => {
  for (const [what, chunk] of [
    ['sends handshake messages that are too long', record(22, Buffer.alloc(16_000, 2))],
    ['sends records of nothing', record(22, Buffer.alloc(0))],
    ['changes ciphers again and again', record(20, Buffer.of(1))],
  ] as const) {
    it(`${what}, without end`, async () => {
      await using server = await serveTcp((socket) => {
        socket.once('data', () => flood(socket, chunk))
      })
      const { code, message } = await explainServer(server)
      assert.equal(code, 'handshake-failed', message)
      // OpenSSL's reason, without the place in its source.
      assert.match(message, /^[^:]+:\d+: the handshake broke off: [\w ]+$/)
    })
  }

  for (const text of ['HTTP/1.1 200 OK\r\n'.padEnd(9000, 'x'), 'a: b\r\n'.repeat(1000), 'H']) {
    it(`answers ${JSON.stringify(text.slice(0, 8))} without end`, async () => {
      const [cert, key] = [localhost.chainPem, localhost.keyPem]
      const tls = createServer({ cert, key })
      tls.on('secureConnection', (socket: Socket) => flood(socket, Buffer.from(text)))
      await using server = await served(tls)
      const found = await explainServer(server)
      assert.equal(found.ok, true, found.message)
      assert.equal(found.clock.server, undefined)
    })
  }
})

describe('explain shows and quotes what a stranger wrote:', () => {
  for (const name of [
    '\u001B]0;evil\u0007\n✓ trusted\r',
    '\u202Egnp.exe\u2028',
    "'; touch pwned; '",
    '$(touch pwned)',
    '`touch pwned`',
    '--ca=/etc/passwd',
    'a\\nb "c" |d &e >f',
  ]) {
    it(`${JSON.stringify(name)} as a name`, async () => {
      const { certificate, key } = named(name)
      await using server = await serveChain([certificate], key)
      const found = await explainServer(server, { serverName: 'localhost' })
      assert.equal(found.ok, false)
      assert.equal(found.chain.length, 1)
      const text = JSON.stringify(explanationToJson(found))
      assert.doesNotMatch(text, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
      assert.doesNotMatch(JSON.stringify(found), /\\u001b|\\u0007|\\r/)
      const commands = commandsOf(found)
      assert.notEqual(commands.length, 0)
      for (const command of commands) await assertOnlyOurs(command)
    })
  }
})

/** In a shell where `countersign` only says its words: none of them is a stranger's option, and nothing else runs. */
async function assertOnlyOurs(command: string): Promise<void> {
  const script = `countersign() { for word; do echo "<$word>"; done; }\nPATH=/nowhere\n${command.replaceAll(/>\s*[\w.]+$/g, '')}`
  const { code, stdout, stderr } = await runCommand('/bin/sh', ['-c', script])
  assert.equal(code, 0, stderr)
  assert.equal(stderr, '')
  for (const [, word = ''] of stdout.matchAll(/^<(.*)>$/gm)) {
    if (word.startsWith('-')) assert.match(word, /^--(?:data|out|ca|pem|client)$/)
    else assert.doesNotMatch(word, /touch|passwd|evil/)
  }
}

function commandsOf({ fixes }: Explanation): string[] {
  return [fixes.caller?.command, fixes.owner?.command].flatMap((one) => one ?? [])
}

/** A self-signed certificate whose common name and DNS name hold what no builder takes; nobody checks its signature first. */
function named(text: string): { certificate: Certificate; key: PrivateKey } {
  const length = Buffer.byteLength(text)
  const [common, dns] = ['c', 'd'].map((letter) => letter.repeat(length))
  const { certificate: issuer, key } = makeLeaf()
  const name = Name.from({ commonName: common ?? '' })
  const built = buildCertificate(
    {
      subject: name,
      issuer: name,
      publicKey: key.publicKey,
      notBefore: issuer.notBefore,
      notAfter: new Date(Date.now() + 9 * DAY),
      subjectAltNames: [
        { type: 'dns', value: dns ?? '' },
        { type: 'dns', value: 'localhost' },
      ],
    },
    key.signer(),
  )
  let hex = Buffer.from(built.der).toString('hex')
  for (const one of [common, dns]) {
    hex = hex.replaceAll(Buffer.from(one ?? '').toString('hex'), Buffer.from(text).toString('hex'))
  }
  return { certificate: Certificate.parse(Buffer.from(hex, 'hex')), key }
}

function record(type: number, body: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.of(type, 3, 3, body.length >> 8, body.length & 255), body])
}

/** Writes it again and again, as fast as it is taken. */
function flood(socket: Socket, chunk: Uint8Array): void {
  const many = Buffer.concat(Array.from({ length: Math.ceil(16_384 / chunk.length) }, () => chunk))
  socket.on('error', () => undefined)
  const write = (): void => {
    while (socket.writable && socket.write(many));
  }
  socket.on('drain', write)
  write()
}
