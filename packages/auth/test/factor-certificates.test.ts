/**
 * The certificate of a connection as an identity: rows, rules, and everything that looks like one and is none.
 */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import type { AuthPeer } from '@countersign/auth'
import {
  scrubProcess,
  skipWithoutPostgres,
  startPostgres,
  temporaryFolder,
  testAuthority,
} from '@countersign/testkit'
import { buildCertificate, type Certificate, Name } from '@countersign/x509'
import { nameByRules, spiffeIdOf } from '../src/factors/certificate-rules.ts'
import { codeOf, openDirect, TLS } from './direct.ts'
import { PASSWORD } from './service.ts'

scrubProcess()

const authority = testAuthority()
const folder = temporaryFolder(after)
const issue = (...names: string[]): Certificate =>
  authority.issue({ names, client: true }).certificate
const by = (certificate: Certificate | undefined): AuthPeer => ({ ...TLS, certificate })

const OWN = issue('ada')
const OTHER = issue('eve')
const nobody = '401 credentials-required'
const invalid = '401 credentials-invalid'

/** A certificate that no careful authority would sign. */
function withUri(value: string): Certificate {
  const { issuer, issuerKey } = authority
  const { notBefore, notAfter } = OWN
  return buildCertificate(
    {
      subject: Name.from({ commonName: 'ada' }),
      issuer: issuer.subject,
      publicKey: OWN.publicKey,
      notBefore,
      notAfter,
      subjectAltNames: [{ type: 'uri', value }],
      extendedKeyUsage: ['clientAuth'],
    },
    issuerKey.signer(),
  )
}

async function open(
  t: Parameters<typeof openDirect>[0],
  options: Parameters<typeof openDirect>[1] = {},
) {
  const direct = await openDirect(t, options)
  await direct.auth.users.add({ name: 'ada', password: PASSWORD, roles: ['admin'] })
  await direct.auth.users.add({ name: 'eve', password: PASSWORD })
  return direct
}

describe('a registered certificate', () => {
  it('is its owner, with its roles, and says how that is known', async (t) => {
    const { auth, call } = await open(t)
    const added = await auth.certificates.add('ADA', OWN.pem)
    assert.equal(added.name, 'ada')
    assert.equal(added.fingerprint, OWN.fingerprint)
    const answer = JSON.parse(await (await call('/auth/session', { peer: by(OWN) })).text())
    assert.equal(answer.principal.name, 'ada')
    assert.deepEqual(
      [answer.via, answer.amr, answer.aal, answer.cnf],
      ['mtls', ['pop'], 1, { x5tS256: added.thumbprint }],
    )
    assert.equal(await codeOf(await call('/admins', { peer: by(OWN) })), '200')
    assert.equal((await auth.certificates.list('ada')).length, 1)
    assert.deepEqual(await auth.findSecrets(), [])
  })

  it('is nobody without a row, without TLS, and in a header (CVE-2024-10039, CVE-2026-46579)', async (t) => {
    const { auth, call } = await open(t)
    await auth.certificates.add('ada', OWN.pem)
    const spoofed = {
      'client-cert': `:${Buffer.from(OWN.der).toString('base64')}:`,
      'x-ssl-client-cert': encodeURIComponent(OWN.pem),
      'x-forwarded-client-cert': `Hash=${OWN.fingerprint};Subject="CN=ada"`,
      'ssl-client-verify': 'SUCCESS',
      'x-client-dn': 'CN=ada',
    }
    const peers: [AuthPeer | undefined, string][] = [
      [TLS, nobody],
      [by(OTHER), nobody],
      [{ address: '192.0.2.1', encrypted: false, certificate: OWN }, nobody],
      [{ address: '127.0.0.1', encrypted: false, certificate: OWN }, nobody],
      [undefined, nobody],
    ]
    for (const [peer, expected] of peers) {
      assert.equal(await codeOf(await call('/private', { peer, headers: spoofed })), expected)
    }
  })

  it('is refused once it is revoked, has ended, or its owner is disabled', async (t) => {
    const { auth, call, pass } = await open(t)
    const { id } = await auth.certificates.add('ada', OWN.pem)
    const ask = async (): Promise<string> => await codeOf(await call('/private', { peer: by(OWN) }))
    assert.equal(await ask(), '200')
    await auth.users.disable('ada')
    assert.equal(await ask(), invalid)
    await auth.users.enable('ada')
    assert.equal(await ask(), '200')
    pass(8 * 86_400_000)
    assert.equal(await ask(), invalid)
    pass(-8 * 86_400_000)
    assert.equal(await ask(), '200')
    assert.equal(await auth.certificates.revoke(id), true)
    assert.equal(await auth.certificates.revoke(id), false)
    assert.equal(await ask(), invalid)
    // Nor does its row come back under another owner.
    await assert.rejects(auth.certificates.add('eve', OWN.pem), { code: 'credential-taken' })
  })

  it('outlives a new password, because the key is not the password', async (t) => {
    const { auth, call } = await open(t)
    await auth.certificates.add('ada', OWN.pem)
    await auth.users.setPassword('ada', 'another five words of hers')
    assert.equal(await codeOf(await call('/private', { peer: by(OWN) })), '200')
  })

  it('is no authority', async (t) => {
    const { auth } = await open(t)
    await assert.rejects(auth.certificates.add('ada', authority.rootPem), {
      code: 'option-invalid',
    })
  })

  it('may be good for less than its owner', async (t) => {
    const { auth, call } = await open(t)
    await auth.certificates.add('ada', OWN.pem, { scopes: ['reports:read'] })
    await auth.certificates.add('eve', OTHER.pem, { scopes: ['other:read'] })
    assert.equal(await codeOf(await call('/reports', { peer: by(OWN) })), '200')
    assert.equal(await codeOf(await call('/reports', { peer: by(OTHER) })), '403 scope-missing')
  })

  it('does nothing for a page of another site: a browser sends it unasked', async (t) => {
    const { auth, call } = await open(t)
    await auth.certificates.add('ada', OWN.pem)
    const peer = by(OWN)
    const forged = { 'sec-fetch-site': 'cross-site' }
    assert.equal(
      await codeOf(await call('/private', { peer, method: 'POST', headers: forged })),
      '403 cross-site-request',
    )
    assert.equal(
      await codeOf(
        await call('/private', {
          peer,
          method: 'DELETE',
          headers: { origin: 'https://evil.test' },
        }),
      ),
      '403 cross-site-request',
    )
    assert.equal(await codeOf(await call('/private', { peer, method: 'POST' })), '200')
  })
})

describe('a certificate beside a token', () => {
  it('is what the token is bound to, never a second identity', async (t) => {
    const { auth, call } = await open(t)
    const { thumbprint } = await auth.certificates.add('ada', OWN.pem)
    await auth.certificates.add('eve', OTHER.pem)
    const bound = await auth.tokens.create('eve', { label: 'bound', x5tS256: thumbprint })
    const free = await auth.tokens.create('eve', { label: 'free' })
    const name = async (bearer: string, certificate?: Certificate): Promise<string> => {
      const answer = await call('/private', { bearer, peer: by(certificate) })
      return answer.status === 200 ? JSON.parse(await answer.text()).name : await codeOf(answer)
    }
    assert.equal(await name(bound.token, OWN), 'eve')
    assert.equal(await name(bound.token, OTHER), invalid)
    assert.equal(await name(bound.token), invalid)
    assert.equal(await name(free.token, OWN), 'eve')
    // A bad token is not mended by a good certificate.
    assert.equal(await name(`${free.token}x`, OWN), invalid)
  })

  it('ends with one call: sessions and tokens bound to it go, others stay', async (t) => {
    const { auth, call, signIn } = await open(t, { session: { bindCertificate: true } })
    const { id, thumbprint } = await auth.certificates.add('ada', OWN.pem)
    const kept = await auth.certificates.add('eve', OTHER.pem)
    const bound = await signIn('ada', { peer: by(OWN) })
    const other = await signIn('eve', { peer: by(OTHER) })
    const token = await auth.tokens.create('ada', { label: 'bound', x5tS256: thumbprint })
    const free = await auth.tokens.create('ada', { label: 'free' })
    const ended: object[] = []
    auth.onRevoked((revocation) => ended.push(revocation))
    assert.equal(await auth.certificates.revoke(id), true)
    const own = by(OWN)
    assert.equal(await codeOf(await call('/private', { peer: own })), invalid)
    assert.equal(await codeOf(await call('/private', { peer: own, cookie: bound })), invalid)
    assert.equal(await codeOf(await call('/private', { peer: own, bearer: token.token })), invalid)
    assert.equal(await codeOf(await call('/private', { bearer: free.token })), '200')
    assert.equal(await codeOf(await call('/private', { peer: by(OTHER), cookie: other })), '200')
    assert.ok(ended.length >= 3)
    // By fingerprint as well.
    assert.equal(await auth.certificates.revoke(kept.fingerprint), true)
    assert.equal(await codeOf(await call('/private', { peer: by(OTHER), cookie: other })), invalid)
  })
})

describe('rules over names', () => {
  const rules = [
    { from: 'email', domain: 'corp.internal' },
    { from: 'dns', domain: 'hosts.internal' },
    { from: 'spiffe', domain: 'test.internal' },
  ] as const

  it('recognise a SPIFFE ID, a host or an address without a row; the common name never', async (t) => {
    const { auth, call } = await open(t, { certificateRules: rules })
    await auth.users.add({ name: 'api.hosts.internal', kind: 'service' })
    await auth.users.add({ name: 'eve@corp.internal' })
    const name = async (certificate: Certificate): Promise<string> => {
      const answer = await call('/private', { peer: by(certificate) })
      return answer.status === 200 ? JSON.parse(await answer.text()).name : await codeOf(answer)
    }
    assert.equal(await name(issue('spiffe://test.internal/ada')), 'ada')
    assert.equal(await name(issue('api.hosts.internal')), 'api.hosts.internal')
    assert.equal(await name(issue('eve@corp.internal')), 'eve@corp.internal')
    // The common name says ada, the domain is another's.
    assert.equal(await name(issue('spiffe://other.internal/ada')), nobody)
    assert.equal(await name(issue('ada.example.org')), nobody)
    assert.equal(await name(issue('eve@evil.internal')), nobody)
    assert.equal(await name(issue('spiffe://test.internal/unknown')), nobody)
    // Two of a kind say nothing.
    assert.equal(
      await name(issue('spiffe://test.internal/ada', 'spiffe://test.internal/eve')),
      nobody,
    )
    assert.equal(await name(issue('a.hosts.internal', 'api.hosts.internal')), nobody)
  })

  it('never stand in for a row that was revoked', async (t) => {
    const { auth, call } = await open(t, { certificateRules: rules })
    const certificate = issue('spiffe://test.internal/ada')
    assert.equal(await codeOf(await call('/private', { peer: by(certificate) })), '200')
    const { id } = await auth.certificates.add('ada', certificate.pem)
    await auth.certificates.revoke(id)
    assert.equal(await codeOf(await call('/private', { peer: by(certificate) })), invalid)
  })

  it('read SPIFFE IDs strictly', () => {
    const good = ['spiffe://a.internal/x', 'spiffe://a/ns/prod/sa/web', 'spiffe://a_b-c/x._-Y']
    for (const id of good) assert.equal(spiffeIdOf(issue(id)), id)
    const bad = [
      'spiffe://a.internal/',
      'spiffe://A.internal/x',
      'spiffe://a.internal:8443/x',
      'spiffe://user@a.internal/x',
      'spiffe://a.internal//x',
      'spiffe://a.internal/x/',
      'spiffe://a.internal/../x',
      'spiffe://a.internal/x?y',
      'spiffe://a.internal/x#y',
      'spiffe://a.internal/%61',
      'https://a.internal/x',
      `spiffe://a.internal/${'x'.repeat(2048)}`,
    ]
    for (const id of bad) assert.equal(spiffeIdOf(withUri(id)), undefined, id)
    assert.equal(spiffeIdOf(withUri('spiffe://a.internal/x')), 'spiffe://a.internal/x')
    // CVE-2024-10039's kin: a name that looks like two once it is made text.
    assert.equal(spiffeIdOf(withUri('spiffe://a.internal/x,URI:spiffe://a.internal/y')), undefined)
  })

  it('are checked when they are given', async () => {
    const wrong: object[] = [
      { from: 'cn', domain: 'a.internal' },
      { from: 'dns', domain: 'A.internal' },
      { from: 'dns', domain: '' },
      { from: 'dns', domain: 'a.internal', fallback: true },
    ]
    for (const rule of wrong) {
      await assert.rejects(
        openDirect({ after: () => {} }, Object.fromEntries([['certificateRules', [rule]]])),
        /certificateRules/,
      )
    }
    assert.equal(
      nameByRules(issue('spiffe://a.internal/ns/web'), [
        { from: 'spiffe', domain: 'a.internal', name: (id) => id.split('/').at(-1) },
      ]),
      'web',
    )
  })
})

describe('two processes on one database', () => {
  it('hear of a revoked certificate within two seconds', async (t) => {
    const url = `sqlite:${folder}/shared.db`
    const first = await open(t, { url })
    const second = await openDirect(t, { url })
    const { id } = await first.auth.certificates.add('ada', OWN.pem)
    assert.equal(await codeOf(await second.call('/private', { peer: by(OWN) })), '200')
    await first.auth.certificates.revoke(id)
    second.pass(2000)
    assert.equal(await codeOf(await second.call('/private', { peer: by(OWN) })), invalid)
  })

  it('the same on PostgreSQL', { skip: skipWithoutPostgres() }, async (t) => {
    const postgres = await startPostgres({ onMissing: (reason) => assert.fail(reason) })
    assert.ok(postgres !== undefined)
    t.after(async () => postgres.stop())
    const url = await postgres.createDatabase()
    const options = { url, session: { bindCertificate: true } }
    const first = await open(t, options)
    const second = await openDirect(t, options)
    const { id, thumbprint } = await first.auth.certificates.add('ada', OWN.pem)
    const cookie = await first.signIn('ada', { peer: by(OWN) })
    const { token } = await first.auth.tokens.create('ada', { label: 'x', x5tS256: thumbprint })
    const peer = by(OWN)
    for (const how of [{ peer }, { peer, cookie }, { peer, bearer: token }]) {
      assert.equal(await codeOf(await second.call('/private', how)), '200')
    }
    await first.auth.certificates.revoke(id)
    second.pass(2000)
    for (const how of [{ peer }, { peer, cookie }, { peer, bearer: token }]) {
      assert.equal(await codeOf(await second.call('/private', how)), invalid)
    }
  })
})
