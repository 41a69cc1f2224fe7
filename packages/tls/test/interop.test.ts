import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, it } from 'node:test'
import {
  requirePython,
  requireTool,
  runCommand,
  startCommand,
  temporaryFolder,
  testAuthority,
} from '@countersign/testkit'
import { createDefaultContext, type TlsSocket } from '@countersign/tls'
import {
  authority,
  clientContext,
  connectTo,
  failureOf,
  localhost,
  serverContext,
  startServer,
} from './support.ts'

const alice = authority.issue({ names: ['alice'], client: true })
const eve = testAuthority().issue({ names: ['eve'], client: true })

/** Answers every line with the name of whoever sent it, until the client has finished. */
async function greet(socket: TlsSocket): Promise<void> {
  const name = socket.peer.certificate?.subject.get('commonName') ?? 'nobody'
  for await (const line of socket.reader().lines()) await socket.write(`${name}: ${line}\n`)
}

describe('interop: our server with python3', () => {
  const client = `
import socket, ssl, sys
port, roots, cert = int(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None
context = ssl.create_default_context(cafile=roots)
context.verify_flags |= ssl.VERIFY_X509_STRICT
if cert: context.load_cert_chain(cert)
with socket.create_connection(('127.0.0.1', port)) as sock:
    with context.wrap_socket(sock, server_hostname='localhost') as ssock:
        print(ssock.version(), ssock.cipher()[0])
        ssock.sendall(b'hello\\n')
        print(ssock.recv(100).decode().strip())
        plain = ssock.unwrap() if len(sys.argv) > 4 else None
        print('unwrapped' if plain else 'closed')
`

  it('is verified strictly, half-closes and ends in order', async (t) => {
    const python = requirePython(t)
    if (python === undefined) return
    const { roots } = authority.write(temporaryFolder(t))
    await using server = await startServer(greet)
    const { code, stdout, stderr } = await runCommand(python, [
      '-c',
      client,
      String(server.port),
      roots,
    ])
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^TLSv1\.3 TLS_\w+\nnobody: hello\nclosed\n$/)
  })

  it('knows a client by its certificate, and refuses one of another authority', async (t) => {
    const python = requirePython(t)
    if (python === undefined) return
    const folder = temporaryFolder(t)
    const { roots } = authority.write(folder)
    const context = serverContext({ ca: authority.rootPem })
    await using server = await startServer(greet, { context })
    const port = String(server.port)
    const good = alice.write(folder, 'alice').pem
    const known = await runCommand(python, ['-c', client, port, roots, good])
    assert.equal(known.code, 0, known.stderr)
    assert.match(known.stdout, /alice: hello/)
    const bad = eve.write(temporaryFolder(t), 'eve').pem
    const refused = await runCommand(python, ['-c', client, port, roots, bad])
    assert.doesNotMatch(refused.stdout, /eve: hello/)
    assert.equal((await server.refusal).code, 'untrusted-root')
  })
})

describe('interop: our client with a server of python3', () => {
  const pythonServer = `
import socket, ssl, sys
cert, roots, mode = sys.argv[1], sys.argv[2], sys.argv[3]
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(cert)
if mode == 'require':
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(roots)
listener = socket.socket()
listener.bind(('127.0.0.1', 0))
listener.listen(5)
print('port', listener.getsockname()[1], flush=True)
while True:
    plain, address = listener.accept()
    try:
        with context.wrap_socket(plain, server_side=True) as conn:
            data = conn.recv(1024)
            while data:
                subject = conn.getpeercert()
                name = dict(field[0] for field in subject['subject'])['commonName'] if subject else 'nobody'
                conn.sendall(name.encode() + b': ' + data)
                data = conn.recv(1024)
    except (ssl.SSLError, OSError) as error:
        print('refused', getattr(error, 'reason', error), flush=True)
`

  it('connects, talks and ends', async (t) => {
    const python = requirePython(t)
    if (python === undefined) return
    const folder = temporaryFolder(t)
    const files = localhost.write(folder, 'server')
    await using server = startCommand(python, ['-c', pythonServer, files.pem, files.roots, 'none'])
    const [, port] = await server.waitForOutput(/port (\d+)/)
    await using socket = await connectTo({ port: Number(port) }, { host: 'localhost' })
    await socket.write('hello')
    assert.equal(String(await socket.read(undefined, { timeoutMs: 20_000 })), 'nobody: hello')
    await socket.closeWrite()
    // Python's close() sends no close_notify.
    const end = await failureOf(() => socket.read(undefined, { timeoutMs: 20_000 }))
    assert.equal(end.code, 'unexpected-end')
  })

  it('presents its certificate, and hears why it is refused', async (t) => {
    const python = requirePython(t)
    if (python === undefined) return
    const folder = temporaryFolder(t)
    const files = localhost.write(folder, 'server')
    await using server = startCommand(python, [
      '-c',
      pythonServer,
      files.pem,
      files.roots,
      'require',
    ])
    const [, port] = await server.waitForOutput(/port (\d+)/)
    const where = { port: Number(port) }
    {
      const context = clientContext({ cert: alice.chainPem, key: alice.keyPem })
      await using socket = await connectTo(where, { context })
      await socket.write('hello')
      assert.equal(String(await socket.read(undefined, { timeoutMs: 20_000 })), 'alice: hello')
    }
    for (const [context, words] of [
      [clientContext(), /none was presented/],
      [clientContext({ cert: eve.chainPem, key: eve.keyPem }), /does not trust its issuer/],
    ] as const) {
      await using socket = await connectTo(where, { context })
      await assert.rejects(socket.read(undefined, { timeoutMs: 20_000 }), words)
    }
  })
})

describe('interop: openssl s_client', () => {
  it('verifies our server and shows the profile at work', async (t) => {
    const openssl = requireTool(t, 'openssl')
    if (openssl === undefined) return
    const { roots } = authority.write(temporaryFolder(t))
    await using server = await startServer(greet)
    const args = ['s_client', '-connect', `127.0.0.1:${server.port}`, '-servername', 'localhost']
    const strict = ['-CAfile', roots, '-verify_return_error', '-x509_strict']
    for (const [extra, words] of [
      [['-tls1_3'], /Verify return code: 0 \(ok\)/],
      [['-tls1_2'], /Verify return code: 0 \(ok\)/],
      [['-verify_hostname', 'localhost'], /Verified peername: localhost/],
    ] as const) {
      const { code, stdout } = await runCommand(openssl, [...args, ...strict, ...extra], {
        input: '',
      })
      assert.equal(code, 0)
      assert.match(stdout, words)
    }
    for (const extra of [
      ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-SHA'],
      ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-SHA256'],
      ['-tls1_2', '-groups', 'P-521'],
      ['-tls1_1', '-cipher', 'DEFAULT:@SECLEVEL=0'],
    ]) {
      const { code } = await runCommand(openssl, [...args, ...strict, ...extra], { input: '' })
      assert.notEqual(code, 0, extra.join(' '))
    }
  })

  it('S7: speaks TLS 1.1 to a server that was told to, and only to such a one', async (t) => {
    const openssl = requireTool(t, 'openssl')
    if (openssl === undefined) return
    const { roots } = authority.write(temporaryFolder(t))
    const context = serverContext({ danger: { legacyProtocols: true } })
    await using server = await startServer(greet, { context })
    const { code, stdout, stderr } = await runCommand(
      openssl,
      [
        's_client',
        '-connect',
        `127.0.0.1:${server.port}`,
        '-CAfile',
        roots,
        '-tls1_1',
        '-cipher',
        'DEFAULT:@SECLEVEL=0',
      ],
      { input: '' },
    )
    if (/no protocols available|unsupported protocol/.test(stderr)) {
      t.skip('this openssl has no TLS 1.1')
      return
    }
    assert.equal(code, 0, stderr)
    assert.match(stdout, /TLSv1\.1/)
  })

  it('presents a client certificate', async (t) => {
    const openssl = requireTool(t, 'openssl')
    if (openssl === undefined) return
    const folder = temporaryFolder(t)
    const { certificate, key, roots } = alice.write(folder, 'alice')
    await using server = await startServer(greet, {
      context: serverContext({ ca: authority.rootPem }),
    })
    const connectArgs = [
      's_client',
      '-quiet',
      '-connect',
      `127.0.0.1:${server.port}`,
      '-CAfile',
      roots,
    ]
    const identity = ['-cert', certificate, '-cert_chain', certificate, '-key', key]
    await using client = startCommand(openssl, [...connectArgs, ...identity], {
      input: 'hello\n',
    })
    await client.waitForOutput('alice: hello')
  })
})

describe('interop: our client with openssl s_server', () => {
  it('verifies it, also by a SAN that is an address, and refuses what it cannot verify', async (t) => {
    const openssl = requireTool(t, 'openssl')
    if (openssl === undefined) return
    const folder = temporaryFolder(t)
    const { key } = localhost.write(folder, 'server')
    const leaf = path.join(folder, 'server.crt')
    await using server = startCommand(openssl, [
      's_server',
      '-accept',
      '127.0.0.1:0',
      '-cert',
      leaf,
      '-cert_chain',
      leaf,
      '-key',
      key,
      '-rev',
    ])
    const [, port] = await server.waitForOutput(/ACCEPT 127\.0\.0\.1:(\d+)/)
    const where = { port: Number(port) }
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      await using socket = await connectTo(where, { context: clientContext({ maxVersion }) })
      assert.equal(socket.protocol, maxVersion)
      await socket.write('hello\n')
      assert.equal(await socket.reader({ timeoutMs: 20_000 }).readLine(), 'olleh')
    }
    const context = createDefaultContext({ ca: testAuthority().rootPem })
    await assert.rejects(connectTo(where, { context }), /authority that is not trusted/)
  })
})
