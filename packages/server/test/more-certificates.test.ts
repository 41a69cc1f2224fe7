/** A server with certificates of two kinds: who understands ML-DSA is shown that one, everybody else P-256. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import tls from 'node:tls'
import { serve, type ServeOptions, type Server } from '@countersign/server'
import {
  outsidePython,
  outsideTool,
  runCommand,
  scrubProcess,
  skipWithout,
  skipWithoutPython,
  temporaryFolder,
  testAuthority,
} from '@countersign/testkit'

scrubProcess()

const folder = temporaryFolder(after)
const classic = testAuthority()
const quantum = testAuthority({ keyType: 'ml-dsa-65' })
const names = ['localhost', '127.0.0.1']
const files = classic.issue({ names }).write(folder, 'classic')
const quantumFiles = quantum.issue({ names }).write(folder, 'quantum')
const roots = path.join(folder, 'both.pem')
writeFileSync(roots, classic.rootPem + quantum.rootPem)
const more = [{ cert: quantumFiles.certificate, key: quantumFiles.key }]

async function start(options: ServeOptions = {}): Promise<Server> {
  const identity = { cert: files.certificate, key: files.key, moreCertificates: more }
  return await serve(() => new Response('welcome'), { ...identity, ...options })
}

/** What Node is shown. */
async function certificateShown(
  server: Server,
  options: tls.ConnectionOptions = {},
): Promise<X509Certificate> {
  const ca = classic.rootPem + quantum.rootPem
  const socket = tls.connect({ port: server.port, host: '127.0.0.1', ca, ...options })
  await once(socket, 'secureConnect')
  const certificate = socket.getPeerX509Certificate()
  socket.destroy()
  assert.ok(certificate)
  return certificate
}

async function kindShown(server: Server, options?: tls.ConnectionOptions): Promise<string> {
  return (await certificateShown(server, options)).publicKey.asymmetricKeyType ?? 'none'
}

function fingerprintOf(pem: string): string {
  return new X509Certificate(pem).fingerprint256
}

describe('moreCertificates', () => {
  it('are chosen among by what the client understands, first ML-DSA', async () => {
    await using server = await start()
    assert.equal(await kindShown(server), 'ml-dsa-65')
    assert.equal(await kindShown(server, { sigalgs: 'ecdsa_secp256r1_sha256' }), 'ec')
    assert.equal(await kindShown(server, { maxVersion: 'TLSv1.2' }), 'ec')
  })

  it('leave a client with the root of the other chain alone outside', async () => {
    await using server = await start()
    const alone = kindShown(server, { ca: classic.rootPem })
    await assert.rejects(alone, { code: /UNABLE_TO_(VERIFY|GET)|SELF_SIGNED/ })
  })

  it('are what curl reads the page by, by P-256 where it knows no other', {
    skip: skipWithout('curl'),
  }, async () => {
    await using server = await start()
    const url = `https://localhost:${server.port}/`
    const { stdout, stderr } = await runCommand('curl', ['-sS', '--cacert', roots, url])
    assert.equal(stdout, 'welcome', stderr)
  })

  it('are what Python reads the page by', { skip: skipWithoutPython() }, async () => {
    await using server = await start()
    const program = `import sys, ssl, urllib.request
context = ssl.create_default_context(cafile=sys.argv[1])
context.verify_flags |= ssl.VERIFY_X509_STRICT
print(urllib.request.urlopen(sys.argv[2], context=context).read().decode())`
    const python = outsidePython({ strict: true }) ?? outsidePython() ?? ''
    const url = `https://localhost:${server.port}/`
    const { stdout, stderr } = await runCommand(python, ['-c', program, roots, url])
    assert.equal(stdout.trim(), 'welcome', stderr)
  })

  it('are P-256 to openssl s_client that is told to know that alone', {
    skip: skipWithout('openssl'),
  }, async () => {
    await using server = await start()
    const to = ['s_client', '-connect', `127.0.0.1:${server.port}`, '-servername', 'localhost']
    const verify = ['-CAfile', roots, '-verify_return_error', '-sigalgs', 'ECDSA+SHA256']
    const { code, stdout } = await runCommand(outsideTool('openssl') ?? '', [...to, ...verify])
    assert.equal(code, 0)
    assert.match(stdout, /Peer signature type: ECDSA/i)
  })

  it('are read again by a reload, and end where another certificate alone is given', async () => {
    await using server = await start()
    const renewed = quantum.issue({ names })
    renewed.write(folder, 'quantum')
    await server.reload()
    assert.equal((await certificateShown(server)).fingerprint256, fingerprintOf(renewed.certPem))
    await server.reload({ cert: files.certificate, key: files.key })
    assert.equal(await kindShown(server), 'ec')
  })

  it('are refused where they make no sense', async () => {
    for (const [options, code] of [
      [{ moreCertificates: [{ cert: files.certificate, key: files.key }] }, 'option-invalid'],
      [{ moreCertificates: [{ cert: quantumFiles.certificate }] }, 'cert-without-key'],
      [{ staple: true }, 'option-conflict'],
      [{ https: false }, 'option-conflict'],
    ] as const) {
      await assert.rejects(start(options), { code }, JSON.stringify(options))
    }
    const hosts = { localhost: { key: files.key, cert: files.certificate, moreCertificates: more } }
    await assert.rejects(start({ moreCertificates: undefined, staple: true, hosts }), {
      code: 'option-conflict',
    })
  })
})
