import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import https from 'node:https'
import path from 'node:path'
import { describe, it } from 'node:test'
import {
  requirePython,
  requireTool,
  runCommand,
  skipWithout,
  temporaryFolder,
  testAuthority,
} from '../src/index.ts'

describe('testAuthority', () => {
  it('makes a chain that openssl accepts strictly, for every use', async (t) => {
    const openssl = requireTool(t, 'openssl')
    if (openssl === undefined) return
    const folder = temporaryFolder(t)
    const ca = testAuthority()
    const { roots, issuer } = ca.write(folder)
    const uses = [
      ['sslserver', ca.issue({ names: ['api.corp.internal', '127.0.0.1', '::1'] })],
      ['sslclient', ca.issue({ names: ['alice'], client: true })],
    ] as const
    for (const [purpose, identity] of uses) {
      const { certificate } = identity.write(folder, purpose)
      const flags = ['-x509_strict', '-purpose', purpose, '-CAfile', roots, '-untrusted', issuer]
      const { stdout, stderr } = await runCommand(openssl, ['verify', ...flags, certificate])
      assert.match(stdout, /: OK/, stderr)
    }
  })

  it('serves mutual TLS between Node programs, and refuses the identity of another authority', async (t) => {
    const ca = testAuthority()
    const server = ca.issue({ names: ['localhost'] })
    const listener = https.createServer(
      {
        cert: server.chainPem,
        key: server.keyPem,
        ca: ca.rootPem,
        requestCert: true,
        rejectUnauthorized: true,
      },
      (_, response) => response.end('hello'),
    )
    t.after(() => {
      listener.close()
      listener.closeAllConnections()
    })
    listener.listen(0, '127.0.0.1')
    await once(listener, 'listening')
    const address = listener.address()
    assert.ok(typeof address === 'object' && address !== null)
    const call = async (identity: { chainPem: string; keyPem: string }): Promise<number> => {
      const request = https.get({
        host: '127.0.0.1',
        port: address.port,
        servername: 'localhost',
        ca: ca.rootPem,
        cert: identity.chainPem,
        key: identity.keyPem,
        agent: false,
      })
      const [response] = await once(request, 'response')
      response.resume()
      return response.statusCode
    }
    assert.equal(await call(ca.issue({ names: ['alice'], client: true })), 200)
    const stranger = testAuthority().issue({ names: ['alice'], client: true })
    await assert.rejects(call(stranger))
  })

  it('is accepted by a Python that verifies strictly', async (t) => {
    const python = requirePython(t, { strict: true })
    if (python === undefined) return
    const folder = temporaryFolder(t)
    const ca = testAuthority({ constrain: ['.corp.internal', '127.0.0.0/8', 'localhost'] })
    const files = ca.issue({ names: ['localhost', '127.0.0.1'] }).write(folder, 'server')
    const script = `
import socket, ssl, threading
server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
server.load_cert_chain(${JSON.stringify(files.pem)})
listener = socket.create_server(("127.0.0.1", 0))
def serve():
    with listener.accept()[0] as raw, server.wrap_socket(raw, server_side=True) as tls:
        tls.recv(1)
thread = threading.Thread(target=serve)
thread.start()
client = ssl.create_default_context(cafile=${JSON.stringify(files.roots)})
assert client.verify_flags & ssl.VERIFY_X509_STRICT
with socket.create_connection(listener.getsockname()) as raw:
    with client.wrap_socket(raw, server_hostname="localhost") as tls:
        print(tls.getpeercert()["serialNumber"])
        tls.send(b"x")
thread.join()`
    const { stdout, stderr } = await runCommand(python, ['-c', script])
    assert.match(stdout, /^[0-9A-F]+\s*$/, stderr)
  })

  it('makes lists that openssl checks, one for every authority', async (t) => {
    const openssl = requireTool(t, 'openssl')
    if (openssl === undefined) return
    const folder = temporaryFolder(t)
    const ca = testAuthority()
    const { roots, issuer } = ca.write(folder)
    const [good, bad] = [ca.issue({ names: ['good.test'] }), ca.issue({ names: ['bad.test'] })]
    const lists = path.join(folder, 'lists.pem')
    writeFileSync(lists, ca.crlPem({ revoked: [bad.certificate], reason: 'keyCompromise' }))
    const flags = ['-crl_check_all', '-CAfile', roots, '-untrusted', issuer, '-CRLfile', lists]
    const verify = (file: string): ReturnType<typeof runCommand> =>
      runCommand(openssl, ['verify', ...flags, file])
    assert.match((await verify(good.write(folder, 'good').certificate)).stdout, /: OK/)
    assert.match((await verify(bad.write(folder, 'bad').certificate)).stderr, /revoked/)
  })

  it('writes bundles that openssl reads', { skip: skipWithout('openssl') }, async (t) => {
    const file = path.join(temporaryFolder(t), 'alice.p12')
    writeFileSync(
      file,
      testAuthority()
        .issue({ names: ['alice'], client: true })
        .pkcs12('secret'),
    )
    const args = ['pkcs12', '-in', file, '-passin', 'pass:secret', '-nokeys', '-clcerts']
    const { stdout, stderr } = await runCommand('openssl', args)
    assert.match(stdout, /BEGIN CERTIFICATE/, stderr)
  })

  it('writes files for their owner only', (t) => {
    const folder = temporaryFolder(t)
    const identity = testAuthority().issue({ names: ['localhost'] })
    const files = identity.write(folder, 'server')
    assert.equal(readFileSync(files.pem, 'utf8'), identity.chainPem + identity.keyPem)
    if (process.platform !== 'win32') assert.equal(statSync(files.key).mode & 0o777, 0o600)
  })

  it('makes keys of the type that is asked for', () => {
    const ca = testAuthority({ keyType: 'ed25519' })
    assert.equal(ca.root.publicKey.type, 'ed25519')
    assert.equal(
      ca.issue({ names: ['a.test'], keyType: 'ml-dsa-44' }).key.publicKey.type,
      'ml-dsa-44',
    )
  })
})
