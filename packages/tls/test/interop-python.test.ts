import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { connect as connectTcp, createServer, type Socket } from 'node:net'
import path from 'node:path'
import { once } from 'node:events'
import { describe, it, type TestContext } from 'node:test'
import {
  type RunningCommand,
  requirePython,
  runCommand,
  skipWithoutPython,
  startCommand,
  temporaryFolder,
} from '@countersign/testkit'
import { createDefaultContext, listen, type TlsSocket, wrap } from '@countersign/tls'
import {
  authority,
  clientContext,
  connectTo,
  failureOf,
  localhost,
  serverContext,
  startServer,
} from './support.ts'

const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const
const PSK = randomBytes(32)
/** Each side waits for the other: without Python neither may begin. */
const NO_PYTHON = skipWithoutPython()

/** A client of Python: `sock` is connected, `context` trusts us, `wrap()` shakes hands. */
const CLIENT = `
import socket, ssl, sys
port, roots, version = int(sys.argv[1]), sys.argv[2], sys.argv[3]
context = ssl.create_default_context(cafile=roots)
context.maximum_version = ssl.TLSVersion[version.replace('.', '_')]
sock = socket.create_connection(('127.0.0.1', port), 10)
def wrap(**more):
    return context.wrap_socket(sock, server_hostname='localhost', suppress_ragged_eofs=False, **more)
`

/** A server of Python: \`accept()\` gives the next plain connection, \`context\` has our certificate. */
const SERVER = `
import socket, ssl, sys
cert, version = sys.argv[1], sys.argv[2]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert)
context.maximum_version = ssl.TLSVersion[version.replace('.', '_')]
listener = socket.create_server(('127.0.0.1', 0))
print('port', listener.getsockname()[1], flush=True)
def accept():
    plain = listener.accept()[0]
    plain.settimeout(10)
    return plain
def wrap(plain):
    return context.wrap_socket(plain, server_side=True, suppress_ragged_eofs=False)
`

async function pythonClient(
  t: TestContext,
  { port }: { port: number },
  version: string,
  script: string,
  ...more: string[]
): Promise<string | undefined> {
  const python = requirePython(t)
  if (python === undefined) return undefined
  const { roots } = authority.write(temporaryFolder(t))
  const args = ['-c', CLIENT + script, String(port), roots, version, ...more]
  const { code, stdout, stderr } = await runCommand(python, args)
  assert.equal(code, 0, stderr)
  return stdout
}

interface PythonServer extends AsyncDisposable {
  command: RunningCommand
  port: number
}

async function pythonServer(
  t: TestContext,
  version: string,
  script: string,
  ...more: string[]
): Promise<PythonServer | undefined> {
  const python = requirePython(t)
  if (python === undefined) return undefined
  const { pem } = localhost.write(temporaryFolder(t), 'server')
  const command = startCommand(python, ['-c', SERVER + script, pem, version, ...more])
  const [, port] = await command.waitForOutput(/port (\d+)/)
  return {
    command,
    port: Number(port),
    [Symbol.asyncDispose]: () => command[Symbol.asyncDispose](),
  }
}

/** A plain listener for one connection. */
async function plainListener(): Promise<{ port: number; connection: Promise<Socket> }> {
  const server = createServer({ allowHalfOpen: true })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const bound = server.address()
  assert.ok(typeof bound === 'object' && bound !== null)
  const connection = new Promise<Socket>((resolve) => {
    server.once('connection', (socket) => {
      server.close()
      resolve(socket)
    })
  })
  return { port: bound.port, connection }
}

async function plainText(connection: NodeJS.ReadableStream): Promise<string> {
  connection.resume()
  const [chunk]: unknown[] = await once(connection, 'data')
  connection.pause()
  return String(chunk)
}

for (const version of VERSIONS) {
  describe(`interop: python3 and our server, ${version}`, { skip: NO_PYTHON }, () => {
    it(`unwraps: both talk in the clear afterwards (${version})`, async (t) => {
      const { promise, resolve } = Promise.withResolvers<string>()
      await using server = await startServer(async (socket) => {
        assert.equal(String(await socket.read()), 'secret')
        assert.equal(await socket.read(), null)
        const plain = await socket.unwrap({ timeoutMs: 20_000 })
        plain.write('plain from us')
        resolve(await plainText(plain))
        plain.end()
      })
      const out = await pythonClient(
        t,
        server,
        version,
        `
tls = wrap()
tls.sendall(b'secret')
plain = tls.unwrap()
print(plain.recv(100).decode())
plain.sendall(b'plain from python')
`,
      )
      if (out === undefined) return
      assert.equal(out, 'plain from us\n')
      assert.equal(await promise, 'plain from python')
    })

    it(`upgrades by STARTTLS (${version})`, async (t) => {
      const { port, connection } = await plainListener()
      const serving = (async () => {
        const plain = await connection
        assert.equal(await plainText(plain), 'STARTTLS\r\n')
        plain.write('220 go on\r\n')
        const socket = await wrap(plain, { context: serverContext(), timeoutMs: 20_000 })
        for await (const line of socket.reader().lines()) await socket.write(`${line}\n`)
        await socket.close()
      })()
      const out = await pythonClient(
        t,
        { port },
        version,
        `
sock.sendall(b'STARTTLS\\r\\n')
assert sock.recv(100).startswith(b'220')
tls = wrap()
tls.sendall(b'EHLO\\n')
print(tls.version(), tls.recv(100).decode().strip())
tls.unwrap()
`,
      )
      if (out === undefined) {
        connectTcp(port, '127.0.0.1').destroy()
        await serving.catch(() => {})
        return
      }
      assert.equal(out, `${version} EHLO\n`)
      await serving
    })

    it(`lets Python tell a cut from an end (${version})`, async (t) => {
      const cut = `
# Python sets it by default: a cut would be an end.
context.options &= ~getattr(ssl, 'OP_IGNORE_UNEXPECTED_EOF', 0)
tls = wrap()
tls.sendall(b'hello')
try:
    print('end', tls.recv(100))
except ssl.SSLError as error:
    assert 'EOF' in str(error).upper(), error
    print('cut')
`
      for (const [orderly, words] of [
        [false, 'cut\n'],
        [true, "end b''\n"],
      ] as const) {
        const { port, connection } = await plainListener()
        const serving = (async () => {
          const plain = await connection
          const socket = await wrap(plain, { context: serverContext(), timeoutMs: 20_000 })
          await socket.read()
          // The end of TCP without the end of TLS is what somebody on the way can make.
          if (orderly) await socket.closeWrite()
          else plain.end()
          await socket.close()
        })()
        const out = await pythonClient(t, { port }, version, cut)
        if (out === undefined) {
          connectTcp(port, '127.0.0.1').destroy()
          await serving.catch(() => {})
          return
        }
        assert.equal(out, words)
        await serving
      }
    })

    it(`resumes a session (${version})`, async (t) => {
      await using server = await startServer(async (socket) => {
        for await (const line of socket.reader().lines()) {
          await socket.write(`${line} ${socket.resumed ? 'resumed' : 'full'}\n`)
        }
      })
      const out = await pythonClient(
        t,
        server,
        version,
        `
def visit(session=None):
    global sock
    tls = wrap(session=session)
    tls.sendall(b'hello\\n')
    print(tls.recv(100).decode().strip(), tls.session_reused)
    saved = tls.session
    tls.unwrap()
    sock = socket.create_connection(('127.0.0.1', port), 10)
    return saved
visit(visit())
`,
      )
      if (out === undefined) return
      assert.equal(out, 'hello full False\nhello resumed True\n')
    })

    it(`takes what sendfile sends, and sends a file back (${version})`, async (t) => {
      const folder = temporaryFolder(t)
      const file = path.join(folder, 'data')
      const data = randomBytes(300_000)
      writeFileSync(file, data)
      await using server = await startServer(async (socket) => {
        const got = await socket.reader().readExactly(data.length)
        assert.ok(data.equals(got))
        assert.equal(await socket.sendFile(file), data.length)
        await socket.closeWrite()
      })
      const out = await pythonClient(
        t,
        server,
        version,
        `
tls = wrap()
with open(sys.argv[4], 'rb') as file:
    print(tls.sendfile(file))
with tls.makefile('rb') as file:
    print(file.read() == open(sys.argv[4], 'rb').read())
`,
        file,
      )
      if (out === undefined) return
      assert.equal(out, '300000\nTrue\n')
    })

    it(`agrees on the channel binding (${version})`, async (t) => {
      await using server = await startServer(async (socket) => {
        const bytes = socket.channelBinding('tls-unique')
        await socket.write(bytes === undefined ? 'None' : Buffer.from(bytes).toString('hex'))
        await socket.read()
      })
      const out = await pythonClient(
        t,
        server,
        version,
        `
tls = wrap()
theirs = tls.recv(200).decode()
ours = tls.get_channel_binding('tls-unique')
# TLS 1.3 has none (RFC 8446 appendix C.5); Python gives its Finished all the same.
print(theirs == 'None' if version == 'TLSv1.3' else theirs == ours.hex())
`,
      )
      if (out === undefined) return
      assert.equal(out, 'True\n')
    })
  })

  describe(`interop: our client and python3, ${version}`, { skip: NO_PYTHON }, () => {
    it(`unwraps a server of Python (${version})`, async (t) => {
      await using server = await pythonServer(
        t,
        version,
        `
tls = wrap(accept())
assert tls.recv(100) == b'secret'
assert tls.recv(100) == b''
plain = tls.unwrap()
plain.sendall(b'plain from python')
print('got', plain.recv(100).decode(), flush=True)
`,
      )
      if (server === undefined) return
      const socket = await connectTo(server)
      await socket.write('secret')
      const plain = await socket.unwrap({ timeoutMs: 20_000 })
      assert.equal(await plainText(plain), 'plain from python')
      plain.end('plain from us')
      await server.command.waitForOutput('got plain from us')
      plain.destroy()
    })

    it(`upgrades a server of Python by STARTTLS (${version})`, async (t) => {
      await using server = await pythonServer(
        t,
        version,
        `
plain = accept()
assert plain.recv(100) == b'STARTTLS\\r\\n'
plain.sendall(b'220 go on\\r\\n')
tls = wrap(plain)
tls.sendall(tls.recv(100))
tls.unwrap()
`,
      )
      if (server === undefined) return
      const plain = connectTcp({ port: server.port, host: '127.0.0.1', allowHalfOpen: true })
      plain.write('STARTTLS\r\n')
      assert.equal(await plainText(plain), '220 go on\r\n')
      await using socket = await wrap(plain, {
        context: clientContext(),
        serverName: 'localhost',
        timeoutMs: 20_000,
      })
      assert.equal(socket.protocol, version)
      await socket.write('EHLO\r\n')
      assert.equal(await socket.reader().readLine(), 'EHLO')
      assert.equal(await socket.read(), null)
    })

    it(`tells a cut of Python from its end (${version})`, async (t) => {
      await using server = await pythonServer(
        t,
        version,
        `
tls = wrap(accept())
tls.recv(100)
tls.sendall(b'half')
tls.close()
tls = wrap(accept())
tls.recv(100)
tls.sendall(b'whole')
tls.unwrap()
`,
      )
      if (server === undefined) return
      for (const [text, end] of [
        ['half', 'unexpected-end'],
        ['whole', null],
      ] as const) {
        await using socket = await connectTo(server)
        await socket.write('hello')
        assert.equal(String(await socket.read()), text)
        if (end === null) assert.equal(await socket.read(), null)
        else assert.equal((await failureOf(() => socket.read())).code, end)
      }
    })

    it(`resumes a session of Python (${version})`, async (t) => {
      await using server = await pythonServer(
        t,
        version,
        `
for visit in range(2):
    tls = wrap(accept())
    tls.sendall(tls.recv(100) + str(tls.session_reused).encode() + b'\\n')
    tls.unwrap()
`,
      )
      if (server === undefined) return
      const context = clientContext()
      const visit = async (session?: ReturnType<TlsSocket['session']>): Promise<string | null> => {
        await using socket = await connectTo(server, { context, host: 'localhost', session })
        await socket.write('reused ')
        const line = await socket.reader().readLine()
        kept = socket.session()
        return line
      }
      let kept: ReturnType<TlsSocket['session']>
      assert.equal(await visit(), 'reused False')
      assert.equal(await visit(kept), 'reused True')
    })
  })
}

describe('interop: psk with python3.13', { skip: NO_PYTHON }, () => {
  for (const version of VERSIONS) {
    it(`our server knows Python by its key (${version})`, async (t) => {
      const python = requirePython(t, { strict: true })
      if (python === undefined) return
      const context = createDefaultContext({
        purpose: 'client-auth',
        psk: (identity) => (identity === 'snake' ? PSK : undefined),
      })
      await using server = await startServer(
        async (socket) => {
          await socket.write(`${socket.pskIdentity ?? 'nobody'}\n`)
        },
        { context },
      )
      const script = `
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.maximum_version = ssl.TLSVersion[sys.argv[2].replace('.', '_')]
context.set_ciphers('PSK')
context.set_psk_client_callback(lambda hint: ('snake', bytes.fromhex(sys.argv[3])))
tls = context.wrap_socket(socket.create_connection(('127.0.0.1', int(sys.argv[1])), 10))
print(tls.version(), tls.recv(100).decode().strip())
`
      const args = ['-c', script, String(server.port), version, PSK.toString('hex')]
      const { code, stdout, stderr } = await runCommand(python, args)
      assert.equal(code, 0, stderr)
      assert.equal(stdout, `${version} snake\n`)
    })

    it(`our client is known to Python by its key (${version})`, async (t) => {
      const python = requirePython(t, { strict: true })
      if (python === undefined) return
      const script = `
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.maximum_version = ssl.TLSVersion[sys.argv[1].replace('.', '_')]
context.set_ciphers('PSK')
seen = []
def key(identity):
    seen.append(identity)
    return bytes.fromhex(sys.argv[2])
context.set_psk_server_callback(key)
listener = socket.create_server(('127.0.0.1', 0))
print('port', listener.getsockname()[1], flush=True)
tls = context.wrap_socket(listener.accept()[0], server_side=True)
tls.sendall(seen[0].encode() + b'\\n')
tls.unwrap()
`
      await using command = startCommand(python, ['-c', script, version, PSK.toString('hex')])
      const [, port] = await command.waitForOutput(/port (\d+)/)
      const context = clientContext({ psk: { identity: 'node', key: PSK } })
      await using socket = await connectTo({ port: Number(port) }, { context })
      assert.equal(socket.protocol, version)
      assert.equal(socket.pskIdentity, 'node')
      assert.equal(await socket.reader().readLine(), 'node')
    })
  }
})

describe('interop: dual stack with python3', { skip: NO_PYTHON }, () => {
  it('Python reaches one listener over IPv4 and IPv6', async (t) => {
    const python = requirePython(t)
    if (python === undefined) return
    const { roots } = authority.write(temporaryFolder(t))
    const context = serverContext()
    for (const host of ['127.0.0.1', '::1']) {
      await using listener = await listen({ host, context })
      const serving = (async () => {
        const socket = await listener.accept()
        await socket?.write(socket.remote?.family ?? '')
        await socket?.close()
      })()
      const script = `
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
with socket.create_connection((sys.argv[3], int(sys.argv[1])), 10) as sock:
    with context.wrap_socket(sock, server_hostname='localhost') as tls:
        print(tls.version(), tls.recv(100).decode())
`
      const args = ['-c', script, String(listener.port), roots, host]
      const { code, stdout, stderr } = await runCommand(python, args)
      assert.equal(code, 0, stderr)
      assert.equal(stdout, `TLSv1.3 ${host === '::1' ? 'IPv6' : 'IPv4'}\n`)
      await serving
    }
  })
})
