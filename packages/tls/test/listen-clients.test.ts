import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import {
  outsidePython,
  outsideTool,
  runCommand,
  skipWithout,
  skipWithoutPython,
  temporaryFolder,
  testAuthority,
} from '@countersign/testkit'
import { createDefaultContext, listen, type TlsListener } from '@countersign/tls'

const authority = testAuthority()
const identity = authority.issue({ names: ['localhost'] })

describe('T3: clients of others are accepted in a loop, and dealt with until they have finished', () => {
  const folder = temporaryFolder(after)
  const roots = path.join(folder, 'roots.pem')
  /** What each client sent. */
  const dealtWith: string[] = []
  let listener: TlsListener
  let loop: Promise<void>
  before(async () => {
    writeFileSync(roots, authority.rootPem)
    const context = createDefaultContext({
      purpose: 'client-auth',
      cert: identity.chainPem,
      key: identity.keyPem,
    })
    listener = await listen({ context })
    loop = acceptAll()
  })
  after(async () => {
    await listener.close()
    await loop
  })

  async function acceptAll(): Promise<void> {
    for await (const connection of listener) {
      let request = ''
      while (!request.endsWith('\r\n\r\n')) {
        const data = await connection.read(1024)
        if (data === null) break
        request += String(data)
      }
      dealtWith.push(request.split('\r\n', 1)[0] ?? '')
      await connection.write('HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n')
      await connection.closeWrite()
      await connection.close()
    }
  }

  it('curl', { skip: skipWithout('curl') }, async () => {
    const url = `https://localhost:${listener.port}/by-curl`
    const { code, stdout, stderr } = await runCommand(outsideTool('curl') ?? '', [
      '-sS',
      '-4',
      '--cacert',
      roots,
      url,
    ])
    assert.equal(code, 0, stderr)
    assert.equal(stdout, 'hello\n')
    assert.equal(dealtWith.at(-1), 'GET /by-curl HTTP/1.1')
  })

  it('openssl s_client', { skip: skipWithout('openssl') }, async () => {
    const { code, stdout, stderr } = await runCommand(
      outsideTool('openssl') ?? '',
      `s_client -quiet -verify_return_error -verify_hostname localhost -servername localhost -connect`
        .split(' ')
        .concat(`127.0.0.1:${listener.port}`, '-CAfile', roots),
      { input: 'GET /by-openssl HTTP/1.0\r\n\r\n' },
    )
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^HTTP\/1\.0 200 OK\r\n[^]*hello\n$/)
    assert.equal(dealtWith.at(-1), 'GET /by-openssl HTTP/1.0')
  })

  it('python3', { skip: skipWithoutPython() }, async () => {
    const program = `
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
with socket.create_connection(("127.0.0.1", int(sys.argv[2]))) as plain:
    with context.wrap_socket(plain, server_hostname="localhost") as secure:
        version = secure.version()
        secure.sendall(b"GET /by-python HTTP/1.0\\r\\n\\r\\n")
        answer = b""
        while data := secure.recv(1024):
            answer += data
print(version, answer.decode())
`
    const { code, stdout, stderr } = await runCommand(outsidePython() ?? '', [
      '-c',
      program,
      roots,
      String(listener.port),
    ])
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^TLSv1\.3 HTTP\/1\.0 200 OK\r?\n[^]*hello\n/)
    assert.equal(dealtWith.at(-1), 'GET /by-python HTTP/1.0')
  })
})
