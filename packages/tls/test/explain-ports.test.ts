import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { describe, it } from 'node:test'
import { scrubProcess } from '@countersign/testkit'
import { explain, type TlsErrorCode } from '@countersign/tls'
import { CoreError } from '@countersign/core'
import { explainServer, serveChain, served, serveTcp } from './explain-support.ts'
import { authority, failureOf, localhost } from './support.ts'

scrubProcess()

const CHAIN = [localhost.certificate, authority.issuer]

describe('explain says what a port speaks instead of TLS:', () => {
  it('HTTP, with the command that works', async () => {
    await using server = await served(
      createHttpServer((_request, response) => response.end('hello')),
    )
    const found = await explainServer(server)
    assert.equal(found.code, 'not-tls')
    assert.match(found.message, /the port speaks HTTP, not TLS/)
    assert.equal(found.fixes.caller?.command, `countersign get http://127.0.0.1:${server.port}/`)
    assert.deepEqual(found.chain, [])
    assert.equal(found.brokenLink, undefined)
  })

  for (const [speaks, banner] of [
    ['SSH', 'SSH-2.0-OpenSSH_10.0\r\n'],
    ['SMTP', '220 mail.corp.internal ESMTP\r\n'],
    ['FTP', '220 ProFTPD FTP server ready\r\n'],
    ['IMAP', '* OK IMAP4rev1 ready\r\n'],
    ['POP3', '+OK ready\r\n'],
    ['HTTP', '<!DOCTYPE HTML>\n<title>400</title>'],
    ['HTTP/2 in clear', '\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64'],
    ['something else', '\0'.repeat(99)],
    ['something else', 'hello, stranger\r\n'],
  ] as const) {
    it(`${speaks}, by its ${JSON.stringify(banner.slice(0, 9))}`, async () => {
      await using server = await serveTcp((socket) => socket.write(banner))
      const found = await explainServer(server)
      assert.equal(found.code, 'not-tls', found.message)
      assert.match(found.message, new RegExp(`speaks ${speaks}, not TLS`))
    })
  }

  it('HTTP, where it says nothing to TLS', async () => {
    await using server = await serveTcp((socket) => {
      socket.once('data', (data: Buffer) => {
        if (data.toString('latin1').startsWith('HEAD ')) socket.write('HTTP/1.0 200 OK\r\n\r\n')
        else socket.destroy()
      })
    })
    const found = await explainServer(server)
    assert.equal(found.code, 'not-tls', found.message)
  })

  it('nothing, and is cut', async () => {
    await using server = await serveTcp((socket) => socket.destroy())
    assert.equal((await explainServer(server)).code, 'reset')
  })

  it('nothing, and is reset', async () => {
    await using server = await serveTcp((socket) => {
      socket.once('data', () => socket.resetAndDestroy())
    })
    assert.equal((await explainServer(server)).code, 'reset')
  })

  it('nothing, and waits', async () => {
    await using server = await serveTcp(() => undefined)
    const found = await explainServer(server, { timeoutMs: 3000 })
    assert.equal(found.code, 'handshake-timeout', found.message)
  })
})

describe('explain says what else stands in the way:', () => {
  it('nothing listens there', async () => {
    const server = createTcpServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    server.close()
    await once(server, 'close')
    const found = await explainServer({ port })
    assert.equal(found.code, 'connect-failed')
    assert.equal(found.nodeCode, 'ECONNREFUSED')
    assert.match(found.message, /nothing listens there/)
  })

  it('the name has no address', async () => {
    const found = await explain('does-not-exist.invalid:443', { ca: authority.rootPem })
    assert.equal(found.code, 'connect-failed')
    assert.match(found.message, /no address/)
  })

  it('the two sides share no version', async () => {
    await using server = await serveChain(CHAIN, localhost.key, {
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    })
    const found = await explainServer(server)
    assert.equal(found.code, 'protocol-mismatch', found.message)
    assert.equal(found.alert?.name, 'protocol_version')
  })

  it('the two sides share no application protocol', async () => {
    await using server = await serveChain(CHAIN, localhost.key, { ALPNProtocols: ['h2'] })
    const found = await explainServer(server, { alpn: ['http/1.1'] })
    assert.equal(found.code, 'alpn-mismatch', found.message)
    assert.match(found.fixes.owner?.text ?? '', /http\/1\.1/)
    const shared = await explainServer(server, { alpn: ['h2', 'http/1.1'] })
    assert.equal(shared.ok, true)
    assert.equal(shared.connection?.alpn, 'h2')
  })

  it('the server does not serve the name', async () => {
    await using server = await serveTcp((socket) => {
      // A fatal alert: unrecognized name (RFC 6066 §3).
      socket.once('data', () => socket.end(Uint8Array.of(21, 3, 3, 0, 2, 2, 112)))
    })
    const found = await explainServer(server)
    assert.equal(found.code, 'server-name-refused', found.message)
    assert.deepEqual(found.alert, { number: 112, name: 'unrecognized_name' })
    assert.match(found.fixes.caller?.text ?? '', /localhost is none$/)
    const byAddress = await explainServer(server, { serverName: '127.0.0.1' })
    assert.match(byAddress.fixes.caller?.text ?? '', /not by its address$/)
  })

  it('the two sides share no cipher', async () => {
    await using server = await serveChain(CHAIN, localhost.key, {
      maxVersion: 'TLSv1.2',
      ciphers: 'ECDHE-ECDSA-AES128-SHA',
    })
    const found = await explainServer(server)
    assert.equal(found.code, 'handshake-failed', found.message)
    assert.match(found.fixes.owner?.text ?? '', /AES-GCM or ChaCha20.*certificate for localhost$/)
  })

  it('a server that cuts its first flight short', async () => {
    await using server = await serveTcp((socket) => {
      socket.once('data', () => socket.end(Uint8Array.of(22, 3, 3, 0, 90, 2, 0, 0, 86, 3)))
    })
    assert.equal((await explainServer(server)).code, 'reset')
  })
})

describe('explain asks for the time', () => {
  it('and finds a clock that is wrong, ours or theirs', async () => {
    const expired = authority.issue({
      names: ['localhost'],
      notBefore: new Date(Date.now() - 9_000_000),
      notAfter: new Date(Date.now() - 3_600_000),
    })
    const date = new Date(Date.now() - 7_200_000)
    const chain = [expired.certificate, authority.issuer]
    await using server = await serveChain(chain, expired.key, { date })
    const found = await explainServer(server)
    assert.equal(found.code, 'expired')
    assert.ok(Math.abs((found.clock.skewMs ?? 0) + 7_200_000) < 120_000)
    assert.match(
      found.fixes.caller?.text ?? '',
      /^set the clock of this machine: by the server's it is (2 h|1 h 59 min) fast/,
    )
  })

  it('only where it may', async () => {
    const asked: string[] = []
    await using server = await served(
      (await import('node:https')).createServer(
        { cert: localhost.chainPem, key: localhost.keyPem },
        (request, response) => {
          asked.push(`${request.method} ${request.url} ${Object.keys(request.headers).join()}`)
          response.end()
        },
      ),
    )
    const silent = await explainServer(server, { askTime: false })
    assert.equal(silent.ok, true)
    assert.equal(silent.clock.server, undefined)
    assert.deepEqual(asked, [])
    const timed = await explainServer(server)
    assert.equal(timed.clock.skewMs, 0)
    assert.deepEqual(asked, ['HEAD / host,user-agent,connection'])
  })
})

describe('explain refuses', () => {
  for (const [what, target, code] of [
    ['a target that is none', 'https://', 'option-invalid'],
    ['a port out of range', { host: 'localhost', port: 0 }, 'option-invalid'],
    ['a host with a line end', { host: 'a\r\nb', port: 1 }, 'option-invalid'],
  ] as const satisfies readonly (readonly [
    string,
    string | { host: string; port: number },
    TlsErrorCode,
  ])[]) {
    it(what, async () => {
      assert.equal((await failureOf(() => explain(target, { ca: authority.rootPem }))).code, code)
    })
  }

  it('a name to ask for with a line end', async () => {
    const error = await failureOf(() =>
      explain('localhost:1', { ca: authority.rootPem, serverName: 'a\r\nX: y' }),
    )
    assert.equal(error.code, 'option-invalid')
  })

  it('a time-out that is none', async () => {
    const options = { ca: authority.rootPem, timeoutMs: -1 }
    assert.equal((await failureOf(() => explain('localhost:1', options))).code, 'option-invalid')
  })

  it('an option that nobody knows, and a call that was given up', async () => {
    const misspelt = { ca: authority.rootPem, rejectUnauthorised: true }
    await assert.rejects(explain('localhost:1', misspelt), { code: 'option-unknown' })
    await using server = await serveTcp(() => undefined)
    const signal = AbortSignal.abort()
    await assert.rejects(explainServer(server, { signal }), CoreError)
  })
})
