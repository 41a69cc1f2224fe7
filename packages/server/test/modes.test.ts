import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { nodeListener, peerOf, serve } from '@countersign/server'
import { createDefaultContext } from '@countersign/tls'
import { Certificate } from '@countersign/x509'
import {
  outsideTool,
  requirePython,
  runCommand,
  scrubProcess,
  skipWithout,
  temporaryFolder,
  testAuthority,
} from '@countersign/testkit'
import { ask, curl, Failures } from './support.ts'

scrubProcess()

const CURL = outsideTool('curl') ?? 'curl'
const authority = testAuthority()
const folder = temporaryFolder(after)
const server = authority.issue({ names: ['localhost', '127.0.0.1', '::1'] })
const files = server.write(folder, 'server')
const page = (): Response => new Response('Top-level content')

describe('S1: three modes by two switches', () => {
  it('serves HTTP', async () => {
    await using running = await serve(page, { https: false, verifyUser: false })
    assert.match(running.url, /^http:\/\/127\.0\.0\.1:\d+$/)
    assert.equal((await ask(running.url)).body, 'Top-level content')
  })

  it('serves HTTP although a certificate and an authority are configured, as the document does', async () => {
    await using running = await serve(page, {
      https: false,
      verifyUser: false,
      cert: files.certificate,
      key: files.key,
      ca: files.roots,
    })
    assert.equal((await ask(running.url)).status, 200)
  })

  it('serves HTTPS', async () => {
    await using running = await serve(page, {
      https: true,
      verifyUser: false,
      cert: files.certificate,
      key: files.key,
      ca: files.roots,
    })
    assert.match(running.url, /^https:/)
    const answer = await ask(running.url, { tls: { ca: authority.rootPem } })
    assert.equal(answer.body, 'Top-level content')
    await assert.rejects(ask(running.url), { code: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY' })
  })

  it('serves mutual TLS', async () => {
    const client = authority.issue({ names: ['alice'], client: true })
    await using running = await serve(page, {
      https: true,
      verifyUser: true,
      cert: files.certificate,
      key: files.key,
      ca: files.roots,
    })
    const tls = { ca: authority.rootPem, cert: client.chainPem, key: client.keyPem }
    assert.equal((await ask(running.url, { tls })).body, 'Top-level content')
    assert.equal((await ask(running.url, { tls: { ca: authority.rootPem } })).status, 403)
  })

  it('answers all three to curl', { skip: skipWithout('curl') }, async () => {
    const client = authority.issue({ names: ['alice'], client: true }).write(folder, 'curl-client')
    const tls = { cert: files.certificate, key: files.key }
    await using http = await serve(page)
    await using https = await serve(page, tls)
    await using mutual = await serve(page, { ...tls, ca: files.roots, verifyUser: true })
    const ca = ['--cacert', files.roots]
    assert.equal((await curl(CURL, [http.url])).stdout, 'Top-level content')
    assert.equal((await curl(CURL, [...ca, https.url])).stdout, 'Top-level content')
    const mine = [...ca, '--cert', client.pem]
    assert.equal((await curl(CURL, [...mine, mutual.url])).stdout, 'Top-level content')
  })

  it('answers python3 with its strict checks', async (t) => {
    const python = requirePython(t, { strict: true })
    if (python === undefined) return
    await using running = await serve(page, { cert: files.certificate, key: files.key })
    const program = `
import ssl, urllib.request
context = ssl.create_default_context(cafile=${JSON.stringify(files.roots)})
print(urllib.request.urlopen("https://localhost:${running.port}/", context=context).read().decode())
`
    const { stdout, stderr } = await runCommand(python, ['-c', program])
    assert.equal(stdout.trim(), 'Top-level content', stderr)
  })
})

describe('S2: the context', () => {
  it('is an object with its own protocol version', async () => {
    const context = createDefaultContext({
      purpose: 'client-auth',
      cert: files.certificate,
      key: files.key,
      maxVersion: 'TLSv1.2',
    })
    await using running = await serve((_request, { peer }) => Response.json(peer), { context })
    const answer = await ask(running.url, { tls: { ca: authority.rootPem } })
    assert.equal(JSON.parse(answer.body).protocol, 'TLSv1.2')
  })

  it('of a client is refused', async () => {
    await assert.rejects(serve(page, { context: createDefaultContext({ ca: files.roots }) }), {
      code: 'option-conflict',
    })
  })

  it('must say what verifyUser says', async () => {
    const context = createDefaultContext({
      purpose: 'client-auth',
      cert: files.certificate,
      key: files.key,
    })
    await assert.rejects(serve(page, { context, verifyUser: true }), { code: 'option-conflict' })
  })

  it('adhoc is valid for the names it is reached by, under a root that can be handed out', async () => {
    await using running = await serve(page, { adhoc: { names: ['api.corp.internal'] } })
    const ca = running.adhocRoots ?? ''
    assert.equal((await ask(running.url, { tls: { ca } })).body, 'Top-level content')
    const local = `https://localhost:${running.port}`
    assert.equal((await ask(local, { tls: { ca } })).body, 'Top-level content')
    assert.ok(running.certificate?.matchesName({ ip: '::1' }))
    assert.ok(running.certificate?.matchesName({ dns: 'api.corp.internal' }))
    assert.ok(running.certificate?.issuedBy(Certificate.parse(ca)))
    await assert.rejects(ask(running.url))
  })

  it('adhoc is verified by curl', { skip: skipWithout('curl') }, async () => {
    await using running = await serve(page, { adhoc: true })
    const roots = path.join(folder, 'adhoc.pem')
    writeFileSync(roots, running.adhocRoots ?? '')
    for (const host of ['localhost', '127.0.0.1']) {
      const url = `https://${host}:${running.port}/`
      const { stdout, stderr } = await curl(CURL, ['--cacert', roots, url])
      assert.equal(stdout, 'Top-level content', stderr)
    }
  })

  it('adhoc passes openssl -x509_strict', { skip: skipWithout('openssl') }, async () => {
    await using running = await serve(page, { adhoc: true })
    const roots = path.join(folder, 'adhoc-strict.pem')
    const leaf = path.join(folder, 'adhoc-leaf.pem')
    writeFileSync(roots, running.adhocRoots ?? '')
    writeFileSync(leaf, running.certificate?.pem ?? '')
    const args = ['verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', roots, leaf]
    const { stdout, stderr } = await runCommand(outsideTool('openssl') ?? '', args)
    assert.match(stdout, /: OK/, stderr)
  })
})

describe('S7: the legacy variant', () => {
  it('speaks TLS 1.2 and 1.3 alone unless it is asked for more, and says so', async () => {
    const failures = new Failures()
    await using running = await serve(page, {
      cert: files.certificate,
      key: files.key,
      onHandshakeError: failures.add,
    })
    const old = {
      ca: authority.rootPem,
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    } as const
    await assert.rejects(ask(running.url, { tls: old }))
    const { code, address } = await failures.next()
    assert.equal(code, 'protocol-mismatch')
    assert.equal(address, '127.0.0.1')
  })

  it('speaks old versions behind danger.legacyProtocols, with a warning', async (t) => {
    const warnings: string[] = []
    const onWarning = (warning: Error): void => {
      warnings.push(warning.message)
    }
    process.on('warning', onWarning)
    t.after(() => process.off('warning', onWarning))
    await using running = await serve((_request, { peer }) => Response.json(peer), {
      cert: files.certificate,
      key: files.key,
      danger: { legacyProtocols: true },
    })
    const tls = {
      ca: authority.rootPem,
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    } as const
    assert.equal(JSON.parse((await ask(running.url, { tls })).body).protocol, 'TLSv1.1')
    assert.match(warnings.join('\n'), /RFC 8996/)
  })

  it('refuses an old minVersion without the danger', async () => {
    const options = { cert: files.certificate, key: files.key, minVersion: 'TLSv1' } as const
    await assert.rejects(serve(page, options), { code: 'protocol-refused' })
  })
})

describe('S8: the layout of the document', () => {
  it('is accepted as it is: ca.crt, server.crt, server.key, client/client.pem', async (t) => {
    const place = temporaryFolder(t)
    writeFileSync(path.join(place, 'ca.crt'), authority.rootPem)
    writeFileSync(path.join(place, 'server.crt'), server.chainPem)
    writeFileSync(path.join(place, 'server.key'), server.keyPem)
    const client = authority.issue({ names: ['client'], client: true })
    await using running = await serve(page, {
      cert: path.join(place, 'server.crt'),
      key: path.join(place, 'server.key'),
      ca: path.join(place, 'ca.crt'),
      verifyUser: true,
    })
    const pem = client.chainPem + client.keyPem
    const tls = { ca: authority.rootPem, cert: pem, key: pem }
    assert.equal((await ask(running.url, { tls })).status, 200)
  })

  it('takes one file with certificate and key', async () => {
    await using running = await serve(page, { cert: files.pem })
    assert.equal((await ask(running.url, { tls: { ca: authority.rootPem } })).status, 200)
  })
})

describe('A8: HTTPS from a pair', () => {
  it('takes certificate and key as PEM text', async () => {
    await using running = await serve(
      nodeListener((incoming, outgoing) => outgoing.end(peerOf(incoming)?.protocol)),
      { cert: server.chainPem, key: server.keyPem },
    )
    assert.equal((await ask(running.url, { tls: { ca: authority.rootPem } })).body, 'TLSv1.3')
  })

  it('takes an encrypted key with its passphrase', async () => {
    const key = server.key.toPem({ passphrase: 'correct horse', iterations: 2048 })
    await using running = await serve(page, {
      cert: server.chainPem,
      key,
      passphrase: 'correct horse',
    })
    assert.equal((await ask(running.url, { tls: { ca: authority.rootPem } })).status, 200)
  })
})
