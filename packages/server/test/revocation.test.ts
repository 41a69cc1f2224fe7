import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { Agent } from 'node:https'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { serve, type ServeOptions, type Server } from '@countersign/server'
import { createDefaultContext } from '@countersign/tls'
import { buildCertificate, buildCrl, Name, PrivateKey } from '@countersign/x509'
import { scrubProcess, temporaryFolder, testAuthority } from '@countersign/testkit'
import { type Answer, ask } from './support.ts'

scrubProcess()

const folder = temporaryFolder(after)
const authority = testAuthority()
const foreign = testAuthority()
const identity = authority.issue({ names: ['localhost', '127.0.0.1'] })
const elsewhere = foreign.issue({ names: ['localhost', '127.0.0.1'] })
const ca = authority.rootPem
const alice = authority.issue({ names: ['alice'], client: true })
const bob = authority.issue({ names: ['bob'], client: true })
const DAY = 86_400_000
const lists = {
  issuer: authority.crl({ revoked: [bob.certificate], reason: 'keyCompromise' }),
  root: authority.crl({ ofRoot: true }),
}

async function start(options: ServeOptions): Promise<Server> {
  return serve(
    (_request, { peer }) => new Response(peer.certificate?.subject.get('commonName') ?? 'nobody'),
    { cert: identity.chainPem, key: identity.keyPem, ca, verifyUser: true, ...options },
  )
}

async function askAs(
  server: Server,
  client: { chainPem: string; keyPem: string },
  root = ca,
): Promise<Answer> {
  return ask(server.url, { tls: { ca: root, cert: client.chainPem, key: client.keyPem } })
}

function codeOf(answer: Answer): string {
  assert.equal(answer.status, 403, answer.body)
  return JSON.parse(answer.body).code
}

describe('revocation', () => {
  it('refuses who is on the list, with day and reason, and lets the others in', async () => {
    const file = path.join(folder, 'all.crl')
    writeFileSync(file, lists.issuer.pem + lists.root.pem)
    for (const crl of [
      file,
      lists.issuer.pem + lists.root.pem,
      [lists.root.der, lists.issuer.der],
    ]) {
      await using server = await start({ crl })
      assert.equal((await askAs(server, alice)).body, 'alice')
      const refused = await askAs(server, bob)
      assert.equal(codeOf(refused), 'revoked')
      assert.match(
        JSON.parse(refused.body).detail,
        /revoked by its issuer on 20\d\d-.*: keyCompromise/,
      )
    }
  })

  it('wants a list of every authority on the way, or of the issuer alone', async () => {
    await using chain = await start({ crl: lists.issuer.pem })
    assert.equal(codeOf(await askAs(chain, alice)), 'crl-missing')
    await using leaf = await start({ crl: lists.issuer.pem, revocation: { depth: 'leaf' } })
    assert.equal((await askAs(leaf, alice)).body, 'alice')
    assert.equal(codeOf(await askAs(leaf, bob)), 'revoked')
    await using wrong = await start({ crl: lists.root.pem, revocation: { depth: 'leaf' } })
    assert.equal(codeOf(await askAs(wrong, alice)), 'crl-missing')
  })

  it('refuses a client whose authority is revoked', async () => {
    const root = buildCrl(
      {
        issuer: authority.root,
        crlNumber: 99n,
        thisUpdate: new Date(Date.now() - 60_000),
        nextUpdate: new Date(Date.now() + DAY),
        revoked: [{ serialNumber: authority.issuer.serialNumber, date: new Date() }],
      },
      authority.rootKey.signer(),
    )
    await using server = await start({ crl: [lists.issuer.pem, root.pem] })
    const refused = await askAs(server, alice)
    assert.equal(codeOf(refused), 'revoked')
    assert.match(JSON.parse(refused.body).detail, /an authority of the client certificate/)
  })

  it('lets nobody in by a list that is out of date, unless told for how long', async () => {
    const old = authority.crlPem({
      revoked: [bob.certificate],
      thisUpdate: new Date(Date.now() - 2 * DAY),
      nextUpdate: new Date(Date.now() - DAY),
    })
    await using closed = await start({ crl: old })
    assert.equal(codeOf(await askAs(closed, alice)), 'crl-stale')
    assert.equal(codeOf(await askAs(closed, bob)), 'revoked')
    await using grace = await start({ crl: old, revocation: { stale: 2 * DAY } })
    assert.equal((await askAs(grace, alice)).body, 'alice')
    assert.equal(codeOf(await askAs(grace, bob)), 'revoked')
    await using little = await start({ crl: old, revocation: { stale: 1000 } })
    assert.equal(codeOf(await askAs(little, alice)), 'crl-stale')
  })

  it('ends a live connection when the list it stands on runs out', async () => {
    let now = new Date()
    await using server = await start({ crl: authority.crlPem(), clock: () => now })
    const agent = new Agent({
      ca,
      cert: alice.chainPem,
      key: alice.keyPem,
      keepAlive: true,
      maxSockets: 1,
    })
    assert.equal((await ask(server.url, { agent })).body, 'alice')
    now = new Date(now.getTime() + 2 * DAY)
    const refused = await ask(server.url, { agent })
    agent.destroy()
    assert.equal(codeOf(refused), 'crl-stale')
  })

  it('believes no list that another key signed', async () => {
    const key = PrivateKey.generateSync('p256')
    const namesake = buildCertificate(
      {
        subject: authority.issuer.subject,
        issuer: authority.issuer.subject,
        publicKey: key.publicKey,
        notBefore: new Date(Date.now() - 60_000),
        notAfter: new Date(Date.now() + DAY),
        ca: {},
        keyUsage: ['keyCertSign', 'cRLSign'],
      },
      key.signer(),
    )
    const forged = buildCrl(
      {
        issuer: namesake,
        crlNumber: 7n,
        thisUpdate: new Date(Date.now() - 60_000),
        nextUpdate: new Date(Date.now() + DAY),
        revoked: [],
      },
      key.signer(),
    )
    await using server = await start({ crl: [forged.pem, lists.root.pem] })
    assert.equal(codeOf(await askAs(server, alice)), 'crl-missing')
    await using both = await start({ crl: [forged.pem, lists.root.pem, lists.issuer.pem] })
    assert.equal((await askAs(both, alice)).body, 'alice')
    assert.equal(codeOf(await askAs(both, bob)), 'revoked')
  })

  it('says which authority the server has to know where it cannot tell', async () => {
    const crl = lists.issuer.pem + lists.root.pem
    const own = { cert: elsewhere.chainPem, key: elsewhere.keyPem }
    // The client sends its issuer, which Node 24 shows to no server, and this one holds no copy.
    await using server = await start({ ...own, crl })
    const refused = await askAs(server, alice, foreign.rootPem)
    assert.equal(codeOf(refused), 'missing-intermediate')
    assert.match(JSON.parse(refused.body).detail, /does not hold the certificate of its issuer/)
    await using holding = await start({ ...own, ca: ca + authority.issuerPem, crl })
    assert.equal((await askAs(holding, alice, foreign.rootPem)).body, 'alice')
    assert.equal(codeOf(await askAs(holding, bob, foreign.rootPem)), 'revoked')
    await using unlisted = await start(own)
    assert.equal((await askAs(unlisted, alice, foreign.rootPem)).body, 'alice')
    // OpenSSL sees the whole chain, and holds the lists where it is to cut the connection.
    await using strict = await start({ ...own, crl, strict: true })
    assert.equal((await askAs(strict, alice, foreign.rootPem)).body, 'alice')
    await assert.rejects(askAs(strict, bob, foreign.rootPem))
  })

  it('goes by the lists of a context that was made before', async () => {
    const context = createDefaultContext({
      purpose: 'client-auth',
      cert: identity.chainPem,
      key: identity.keyPem,
      ca,
      crl: lists.issuer.pem + lists.root.pem,
    })
    await using server = await serve(() => new Response('in'), { context })
    assert.equal((await askAs(server, alice)).body, 'in')
    assert.equal(codeOf(await askAs(server, bob)), 'revoked')
  })

  it('takes a list for the certificates it speaks about', async () => {
    const key = await PrivateKey.generate('p256')
    const client = buildCertificate(
      {
        subject: Name.from({ commonName: 'carol' }),
        issuer: authority.issuer.subject,
        publicKey: key.publicKey,
        notBefore: new Date(Date.now() - 60_000),
        notAfter: new Date(Date.now() + DAY),
        keyUsage: ['digitalSignature'],
        extendedKeyUsage: ['clientAuth'],
        subjectAltNames: [{ type: 'dns', value: 'carol' }],
        authorityKeyId: authority.issuerKey.publicKey.keyId(),
        crlDistributionPoints: ['http://crl.corp/1.crl'],
      },
      authority.issuerKey.signer(),
    )
    const carol = { chainPem: client.pem + authority.issuerPem, keyPem: key.toPem() }
    await using server = await start({ crl: lists.issuer.pem, revocation: { depth: 'leaf' } })
    assert.equal((await askAs(server, carol)).body, 'carol')
  })

  it('reads lists that cannot be read as what they are', async () => {
    const file = path.join(folder, 'no.crl')
    writeFileSync(file, 'no list')
    for (const [crl, code] of [
      [file, 'crl-malformed'],
      [path.join(folder, 'nowhere.crl'), 'crl-unreadable'],
      ['', 'crl-malformed'],
      [[], 'crl-malformed'],
      [lists.issuer.der.subarray(0, 100), 'crl-malformed'],
      [authority.rootPem, 'crl-malformed'],
    ] as const) {
      await assert.rejects(start({ crl }), { code })
    }
    for (const stale of [-1, 1.5, Number.NaN]) {
      await assert.rejects(start({ revocation: { stale } }), { code: 'option-invalid' })
    }
  })
})
