import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { scrubProcess, temporaryFolder } from '@countersign/testkit'
import { explainServer, makeAuthority, makeLeaf, serveChain } from './explain-support.ts'
import { authority, localhost } from './support.ts'

scrubProcess()

describe('explain finds what is missing elsewhere on this machine:', () => {
  const root = makeAuthority('Elsewhere Root')
  const issuer = makeAuthority('Elsewhere Below', root)
  const old = makeAuthority('Elsewhere Root')
  const stranger = makeAuthority('Stranger')
  const withRoot = temporaryFolder(after)
  const withIssuer = temporaryFolder(after)
  const withOld = temporaryFolder(after)
  const withData = temporaryFolder(after)

  it('a root, with the command that uses it', async () => {
    const { env, file } = holding(withRoot, root.certificate.pem)
    const { certificate, key } = makeLeaf({}, issuer)
    await using server = await serveChain([certificate, issuer.certificate], key)
    const options = { ca: stranger.certificate, env, searchElsewhere: true }
    const found = await explainServer(server, options)
    assert.equal(found.code, 'untrusted-root')
    assert.equal(found.elsewhere[0]?.path, file)
    assert.equal(
      found.fixes.caller?.command,
      `countersign get https://127.0.0.1:${server.port}/ --ca '${file.replace("'", String.raw`'\''`)}'`,
    )
    assert.equal((await explainServer(server, { ...options, ca: found.elsewhere[0].ca })).ok, true)
    assert.deepEqual(
      (await explainServer(server, { ...options, searchElsewhere: false })).elsewhere,
      [],
    )
  })

  it('an intermediate, which then is called one', async () => {
    const { env, file } = holding(withIssuer, issuer.certificate.pem)
    const { certificate, key } = makeLeaf({}, issuer)
    await using server = await serveChain([certificate], key)
    const unknown = await explainServer(server, { ca: stranger.certificate, env })
    assert.equal(unknown.code, 'untrusted-root')
    const found = await explainServer(server, {
      ca: stranger.certificate,
      env,
      searchElsewhere: true,
    })
    assert.equal(found.code, 'missing-intermediate')
    assert.match(found.fixes.caller?.command ?? '', /--extra-ca/)
    assert.equal(found.elsewhere[0]?.ca, file)
  })

  it('an old root of the same name, which helps nobody', async () => {
    const { env } = holding(withOld, old.certificate.pem)
    const { certificate, key } = makeLeaf({}, issuer)
    await using server = await serveChain([certificate, issuer.certificate], key)
    const found = await explainServer(server, {
      ca: stranger.certificate,
      env,
      searchElsewhere: true,
    })
    assert.equal(found.elsewhere[0]?.sameNameOnly, true)
    assert.equal(found.fixes.caller?.command, undefined)
    assert.match(found.notes.join('\n'), /holds CN=Elsewhere Root with another key/)
  })

  it('a name of the certificate that leads to the same server', async () => {
    const { certificate, key } = makeLeaf(
      {
        subjectAltNames: ['nowhere.invalid', '*.localhost', 'localhost'].map((value) => ({
          type: 'dns' as const,
          value,
        })),
      },
      issuer,
    )
    await using server = await serveChain([certificate, issuer.certificate], key)
    const options = { ca: root.certificate, serverName: '127.0.0.1', searchElsewhere: true }
    const found = await explainServer(server, options)
    assert.equal(found.code, 'name-mismatch')
    assert.match(found.fixes.caller?.text ?? '', /as localhost$/)
    assert.equal(found.fixes.caller?.command, `countersign get https://localhost:${server.port}/`)
  })

  it('an authority of ours, whose client certificates the server accepts', async () => {
    writeFileSync(path.join(withData, 'roots.pem'), authority.rootPem)
    await using server = await serveChain(
      [localhost.certificate, authority.issuer],
      localhost.key,
      {
        ca: authority.rootPem,
        requestCert: true,
        rejectUnauthorized: true,
      },
    )
    const env = { HOME: withData, COUNTERSIGN_DATA: withData }
    const found = await explainServer(server, { env, searchElsewhere: true })
    assert.equal(found.code, 'server-refused-client-cert')
    assert.equal(
      found.fixes.caller?.command,
      `countersign issue client --client --data ${withData} --out . && countersign get https://127.0.0.1:${server.port}/ --cert client.crt --key client.key`,
    )
    const other = await explainServer(server, { env: { HOME: withOld }, searchElsewhere: true })
    assert.equal(other.fixes.caller?.command, undefined)
  })
})

/** A bundle, and an environment that names it. */
function holding(folder: string, pem: string): { env: Record<string, string>; file: string } {
  const file = path.join(folder, "it's a bundle.pem")
  writeFileSync(file, pem)
  return { env: { HOME: folder, CURL_CA_BUNDLE: file }, file }
}
