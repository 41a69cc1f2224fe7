import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import {
  requireTool,
  scrubProcess,
  startCommand,
  temporaryFolder,
  testAuthority,
} from '@countersign/testkit'
import { createDefaultContext } from '@countersign/tls'
import {
  DAY,
  explainServer,
  makeAuthority,
  makeLeaf,
  type Served,
  serveChain,
} from './explain-support.ts'
import { authority, echo, localhost, serverContext, startServer } from './support.ts'

scrubProcess()

const CHAIN = [localhost.certificate, authority.issuer]
const alice = authority.issue({ names: ['alice'], client: true })
const mallory = testAuthority().issue({ names: ['mallory'], client: true })
const late = authority.issue({
  names: ['late'],
  client: true,
  notBefore: new Date(Date.now() - 9 * DAY),
  notAfter: new Date(Date.now() - 2 * DAY),
})

describe('explain tells what a server wants of a client:', () => {
  const folder = temporaryFolder(after)

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const versions = { minVersion: version, maxVersion: version }
    /** Refuses without an alert, as servers of Node do. */
    const requiring = (rejectUnauthorized = true): Promise<Served> =>
      serveChain(CHAIN, localhost.key, {
        ...versions,
        ca: authority.rootPem,
        requestCert: true,
        rejectUnauthorized,
      })

    it(`${version}: nothing`, async () => {
      await using server = await serveChain(CHAIN, localhost.key, versions)
      const found = await explainServer(server, { cert: alice.chainPem, key: alice.keyPem })
      assert.equal(found.ok, true)
      assert.equal(found.clientCertificates?.demand, 'none')
      assert.equal(found.clientCertificates.accepted, undefined)
    })

    it(`${version}: one, if there is one`, async () => {
      await using server = await requiring(false)
      const found = await explainServer(server)
      assert.equal(found.ok, true)
      assert.equal(found.clientCertificates?.demand, 'asked')
      assert.deepEqual(found.clientCertificates.acceptedAuthorities, [
        String(authority.root.subject),
      ])
    })

    it(`${version}: one, from a server that closes without a word`, async () => {
      await using server = await requiring()
      const found = await explainServer(server)
      assert.equal(found.code, 'server-refused-client-cert', found.message)
      assert.match(found.message, /^127.*client certificate/)
      assert.equal(found.clientCertificates?.demand, 'required')
      assert.match(found.fixes.caller?.text ?? '', /present a certificate of CN=Test Root/)
      assert.equal(found.fixes.caller?.command, undefined)
      assert.ok(found.chain.every(({ link }) => link === 'ok'))
    })

    for (const [status, contentType] of [
      [400, 'text/html'],
      [403, 'application/problem+json; charset=utf-8'],
    ] as const) {
      it(`${version}: one, from a server that says so with ${status}`, async () => {
        const answering = { ...versions, status, contentType }
        await using server = await serveChain(CHAIN, localhost.key, {
          ...answering,
          ca: authority.rootPem,
          requestCert: true,
        })
        const identity = { cert: alice.chainPem, key: alice.keyPem }
        const found = await explainServer(server, identity)
        assert.equal(found.code, 'server-refused-client-cert', found.message)
        assert.match(found.message, new RegExp(`answers this client with ${status}$`))
        assert.equal(found.clientCertificates?.accepted, false)
        await using open = await serveChain(CHAIN, localhost.key, answering)
        assert.equal((await explainServer(open, identity)).ok, true)
      })
    }

    it(`${version}: one, perhaps`, async () => {
      await using server = await serveChain(CHAIN, localhost.key, {
        ...versions,
        status: 403,
        ca: authority.rootPem,
        requestCert: true,
      })
      const found = await explainServer(server, { cert: alice.chainPem, key: alice.keyPem })
      assert.equal(found.ok, true, found.message)
      assert.match(found.notes.join(), /answers HEAD \/ with 403: it may be for want of a client/)
    })

    it(`${version}: one, and takes ours`, async () => {
      await using server = await requiring()
      const found = await explainServer(server, { cert: alice.chainPem, key: alice.keyPem })
      assert.equal(found.ok, true, found.message)
      const { offered, ...story } = found.clientCertificates ?? {}
      assert.equal(offered?.fingerprint, alice.certificate.fingerprint)
      assert.deepEqual(story, {
        demand: 'required',
        acceptedAuthorities: [String(authority.root.subject)],
        offeredFits: true,
        accepted: true,
      })
      assert.notEqual(found.clock.skewMs, undefined)
    })

    it(`${version}: one, and does not take that of a stranger`, async () => {
      await using server = await requiring()
      const found = await explainServer(server, { cert: mallory.chainPem, key: mallory.keyPem })
      assert.equal(found.code, 'server-refused-client-cert', found.message)
      assert.equal(found.clientCertificates?.accepted, false)
      assert.equal(found.clientCertificates.offeredFits, false)
      assert.match(
        found.fixes.caller?.text ?? '',
        /does not take CN=mallory, issued by CN=Test Issuer/,
      )
    })

    it(`${version}: one, from a server of ours`, async () => {
      const context = serverContext({ ...versions, ca: authority.rootPem })
      await using server = await startServer(undefined, { context })
      assert.equal((await explainServer(server)).clientCertificates?.demand, 'required')
      const found = await explainServer(server, { cert: alice.chainPem, key: alice.keyPem })
      assert.equal(found.ok, true, found.message)
      assert.equal(found.clientCertificates?.accepted, true)
    })

    it(`${version}: the alert of openssl is recovered`, async (t) => {
      const openssl = requireTool(t, 'openssl')
      if (openssl === undefined) return
      const { certificate, key, roots } = localhost.write(folder, version)
      const protocol = version === 'TLSv1.2' ? '-tls1_2' : '-tls1_3'
      const own = `-cert ${certificate} -cert_chain ${certificate} -key ${key} -CAfile ${roots}`
      const asks = `-Verify 5 -verify_return_error -rev ${protocol}`
      const args = `s_server -accept 127.0.0.1:0 ${own} ${asks}`
      await using server = startCommand(openssl, args.split(' '))
      const [, text] = await server.waitForOutput(/ACCEPT 127\.0\.0\.1:(\d+)/)
      const port = Number(text)
      const none = await explainServer({ port })
      assert.equal(none.code, 'server-refused-client-cert', none.message)
      assert.equal(none.clientCertificates?.demand, 'required')
      assert.equal(none.alert?.number, version === 'TLSv1.2' ? 40 : 116)
      const bad = await explainServer({ port }, { cert: mallory.chainPem, key: mallory.keyPem })
      assert.equal(bad.code, 'server-refused-client-cert', bad.message)
      assert.deepEqual(bad.alert, { number: 48, name: 'unknown_ca' })
      const old = await explainServer({ port }, { cert: late.chainPem, key: late.keyPem })
      assert.deepEqual(old.alert, { number: 45, name: 'certificate_expired' })
      const good = await explainServer({ port }, { cert: alice.chainPem, key: alice.keyPem })
      assert.equal(good.ok, true, good.message)
    })
  }

  it('is not told who we are where the server is not believed', async () => {
    const other = makeAuthority('Other Root')
    const leaf = makeLeaf({}, other)
    let seen = 0
    await using server = await startServer(
      async (socket) => {
        if (socket.peer.certificate !== undefined) seen += 1
        await echo(socket)
      },
      {
        context: createDefaultContext({
          purpose: 'client-auth',
          cert: leaf.certificate,
          key: leaf.key,
          ca: authority.rootPem,
          clientCertificates: 'ask',
        }),
      },
    )
    const options = { cert: alice.chainPem, key: alice.keyPem }
    const found = await explainServer(server, options)
    assert.equal(found.code, 'untrusted-root')
    assert.equal(found.clientCertificates?.demand, 'asked')
    assert.equal(found.clientCertificates.offeredFits, true)
    assert.equal(found.clientCertificates.accepted, undefined)
    assert.equal(seen, 0)
    // The same server sees it where it is believed.
    const believed = await explainServer(server, { ...options, ca: other.certificate })
    assert.equal(believed.clientCertificates?.accepted, true)
    assert.equal(seen, 1)
  })
})
