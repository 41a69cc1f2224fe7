/**
 * A client certificate by signing request: certified for its owner, registered, renewed, ended; and every way to be refused.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AuthError, type AuthPeer, type CertificateAuthority } from '@countersign/auth'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import {
  buildCertificate,
  Certificate,
  createRequest,
  Name,
  PrivateKey,
  type PublicKey,
} from '@countersign/x509'
import { codeOf, type Direct, openDirect, TLS } from './direct.ts'
import { PASSWORD } from './service.ts'

scrubProcess()

const root = testAuthority()
const MINUTE = 60_000
const by = (certificate: Certificate): AuthPeer => ({ ...TLS, certificate })
const json = async (answer: Response): Promise<ReturnType<typeof JSON.parse>> =>
  JSON.parse(await answer.text())

/** What an authority would sign for `name`. */
function certify(name: string, publicKey: PublicKey): Certificate {
  const { issuer, issuerKey } = root
  const now = Date.now()
  return buildCertificate(
    {
      subject: Name.from({ commonName: name }),
      issuer: issuer.subject,
      publicKey,
      notBefore: new Date(now - MINUTE),
      notAfter: new Date(now + 30 * 86_400_000),
      subjectAltNames: [{ type: 'uri', value: `spiffe://test.internal/${name}` }],
      extendedKeyUsage: ['clientAuth'],
    },
    issuerKey.signer(),
  )
}

interface Opened extends Direct {
  cookie: string
  revoked: string[]
  issued: Certificate[]
}

async function open(
  t: Parameters<typeof openDirect>[0],
  authority: Partial<CertificateAuthority> = {},
): Promise<Opened> {
  const revoked: string[] = []
  const issued: Certificate[] = []
  const direct = await openDirect(t, {
    certificateAuthority: {
      issue: async ({ principal, request }) => {
        const leaf = certify(principal.name, request.publicKey)
        issued.push(leaf)
        return [leaf, root.issuer]
      },
      revoke: async (fingerprint) => {
        revoked.push(fingerprint)
      },
      ...authority,
    },
  })
  await direct.auth.users.add({ name: 'ada', password: PASSWORD, roles: ['admin'] })
  await direct.auth.users.add({ name: 'eve', password: PASSWORD })
  return { ...direct, revoked, issued, cookie: await direct.signIn('ada') }
}

async function newCsr(): Promise<string> {
  const key = await PrivateKey.generate('p256')
  // What it asks for is not asked.
  return createRequest({
    key,
    subjectAltNames: [{ type: 'uri', value: 'spiffe://test.internal/eve' }],
  }).pem
}

async function ask({ call, cookie }: Opened, body: object): Promise<Response> {
  return await call('/auth/factors', { cookie, json: { type: 'client_cert', ...body } })
}

async function renewed(t: Parameters<typeof openDirect>[0]) {
  const opened = await open(t)
  const made = await json(
    await ask(opened, { csr: await newCsr(), label: 'laptop', scopes: ['a'] }),
  )
  const [former] = Certificate.parseAll(made.chain)
  const key = await PrivateKey.generate('p256')
  const successor = certify('ada', key.publicKey)
  assert.ok(former)
  return { ...opened, former, successor, id: String(made.id) }
}

describe('POST /auth/factors {"type":"client_cert"}', () => {
  it('certifies a key for its owner and nobody else, and lets them in by it', async (t) => {
    const opened = await open(t)
    const { call, cookie, events } = opened
    const answer = await ask(opened, { csr: await newCsr(), label: 'laptop', scopes: ['a:read'] })
    assert.equal(answer.status, 201)
    const { id, type, label, fingerprint, serial, chain } = await json(answer)
    const [leaf, issuer] = Certificate.parseAll(chain)
    assert.ok(leaf && issuer)
    assert.deepEqual(
      [type, label, fingerprint, serial],
      ['client_cert', 'laptop', leaf.fingerprint, leaf.serialNumber],
    )
    assert.deepEqual(leaf.subjectAltNames, [{ type: 'uri', value: 'spiffe://test.internal/ada' }])
    const who = await json(await call('/auth/session', { peer: by(leaf) }))
    assert.deepEqual([who.principal.name, who.via, who.scopes], ['ada', 'mtls', ['a:read']])
    const listed = await json(await call('/auth/factors', { cookie }))
    assert.deepEqual(
      listed.map((each: { id: string }) => each.id),
      [id],
    )
    assert.ok(
      events.some(({ subject, reason }) => subject === id && reason === 'certificate added'),
    )
    assert.deepEqual(await opened.auth.findSecrets(), [])
  })

  it('ends every other session, as any change of what lets somebody in', async (t) => {
    const opened = await open(t)
    const other = await opened.signIn('ada')
    assert.equal((await ask(opened, { csr: await newCsr() })).status, 201)
    assert.equal(
      await codeOf(await opened.call('/private', { cookie: other })),
      '401 credentials-invalid',
    )
    assert.equal(await codeOf(await opened.call('/private', { cookie: opened.cookie })), '200')
  })

  it('refuses what is no proof of a key, before anybody signs', async (t) => {
    const opened = await open(t)
    const csr = await newCsr()
    const lines = csr.split('\n')
    const der = Buffer.from(lines.slice(1, -2).join(''), 'base64')
    der[der.length - 3] = (der.at(-3) ?? 0) ^ 1
    const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`
    const rows: [object, string][] = [
      [{}, '400 malformed-request'],
      [{ csr: 7 }, '400 malformed-request'],
      [{ csr: '' }, '422 invalid-csr'],
      [{ csr: root.rootPem }, '422 invalid-csr'],
      [{ csr: csr.slice(0, 200) }, '422 invalid-csr'],
      [{ csr: forged }, '422 invalid-csr'],
      [{ csr: 'x'.repeat(20_000) }, '413 body-too-large'],
      [{ csr, scopes: ['No Scope'] }, '422 invalid-scope'],
      [{ csr, names: ['eve'] }, '400 malformed-request'],
      [{ csr, days: -1 }, '400 malformed-request'],
      [{ csr, label: '\u0000' }, '400 malformed-request'],
    ]
    for (const [body, expected] of rows) {
      assert.equal(
        await codeOf(await ask(opened, body)),
        expected,
        JSON.stringify(body).slice(0, 80),
      )
    }
    assert.equal(opened.issued.length, 0)
  })

  it('wants a session with a fresh proof: no stale one, no token, no page of another site', async (t) => {
    const opened = await open(t)
    const { auth, call, cookie, pass } = opened
    const body = { type: 'client_cert', csr: await newCsr() }
    const { token } = await auth.tokens.create('ada', { label: 'x' })
    const send = async (how: object): Promise<string> =>
      await codeOf(await call('/auth/factors', { json: body, ...how }))
    assert.equal(await send({}), '401 credentials-required')
    assert.equal(await send({ bearer: token }), '403 method-refused')
    assert.equal(
      await send({ cookie, headers: { 'sec-fetch-site': 'cross-site' } }),
      '403 cross-site-request',
    )
    pass(16 * MINUTE)
    assert.equal(await send({ cookie }), '401 step-up-required')
    const stepped = await call('/auth/step-up', { cookie, json: { password: PASSWORD } })
    const [stronger = ''] = stepped.headers.getSetCookie()
    assert.equal(await send({ cookie: stronger.split(';')[0] }), '201')
  })

  it('is one of fifty factors at most; those that have ended do not count', async (t) => {
    const opened = await open(t)
    const { auth, pass, signIn } = opened
    for (let count = 0; count < 50; count++) {
      await auth.certificates.add(
        'ada',
        certify('ada', PrivateKey.generateSync('p256').publicKey).der,
      )
    }
    assert.equal(await codeOf(await ask(opened, { csr: await newCsr() })), '409 factor-limit')
    assert.equal(opened.issued.length, 0)
    pass(31 * 86_400_000)
    const cookie = await signIn('ada')
    assert.equal(await codeOf(await ask({ ...opened, cookie }, { csr: await newCsr() })), '201')
  })

  it('tells what the policy of the authority says', async (t) => {
    const opened = await open(t, {
      issue: async () => {
        throw new AuthError('certificate-refused', 'no rule lets ada ask', { hint: 'write one' })
      },
    })
    const answer = await ask(opened, { csr: await newCsr() })
    assert.equal(answer.status, 403)
    const { code, detail, hint } = await json(answer)
    assert.deepEqual(
      [code, detail, hint],
      ['certificate-refused', 'no rule lets ada ask', 'write one'],
    )
  })

  it('hands out nothing that is not registered, and nothing for another key', async (t) => {
    const taken = await PrivateKey.generate('p256')
    const leaf = certify('ada', taken.publicKey)
    const opened = await open(t, { issue: async () => [leaf] })
    assert.equal(await codeOf(await ask(opened, { csr: await newCsr() })), '500 internal-error')
    const csr = createRequest({ key: taken, subjectAltNames: [] }).pem
    // The same certificate again.
    await opened.auth.certificates.add('ada', leaf.der)
    assert.equal(await codeOf(await ask(opened, { csr })), '409 factor-taken')
    assert.deepEqual(opened.revoked, [leaf.fingerprint])
  })

  it('is 501 where there is no authority', async (t) => {
    const { auth, call, signIn } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const answer = await call('/auth/factors', {
      cookie: await signIn('ada'),
      json: { type: 'client_cert', csr: await newCsr() },
    })
    assert.equal(await codeOf(answer), '501 factor-unavailable')
    const misspelt = JSON.parse('{"certificateAuthority":{"sign":1}}')
    await assert.rejects(openDirect(t, misspelt), { code: 'option-unknown' })
    const half = JSON.parse('{"certificateAuthority":{"issue":1}}')
    await assert.rejects(openDirect(t, half), { code: 'option-invalid' })
  })
})

describe('a certificate of a factor', () => {
  it('ends at its authority when the factor is removed; by nobody but its owner', async (t) => {
    const opened = await open(t)
    const { call, cookie, revoked, signIn } = opened
    const { id, fingerprint, chain } = await json(await ask(opened, { csr: await newCsr() }))
    const [leaf] = Certificate.parseAll(chain)
    assert.ok(leaf)
    const remove = async (who: string): Promise<string> =>
      await codeOf(await call(`/auth/factors/${id}`, { method: 'DELETE', cookie: who }))
    assert.equal(await remove(await signIn('eve')), '404 factor-unknown')
    assert.deepEqual(revoked, [])
    assert.equal(await remove(cookie), '204')
    assert.deepEqual(revoked, [fingerprint])
    assert.equal(
      await codeOf(await call('/private', { peer: by(leaf) })),
      '401 credentials-invalid',
    )
    assert.equal(await remove(cookie), '404 factor-unknown')
  })

  it('stays where the authority cannot end it, until it can', async (t) => {
    let away = true
    const opened = await open(t, {
      revoke: async () => {
        if (away) throw new Error('away')
      },
    })
    const { call, cookie } = opened
    const { id } = await json(await ask(opened, { csr: await newCsr() }))
    const remove = async (): Promise<string> =>
      await codeOf(await call(`/auth/factors/${id}`, { method: 'DELETE', cookie }))
    assert.equal(await remove(), '500 internal-error')
    assert.equal((await json(await call('/auth/factors', { cookie }))).length, 1)
    away = false
    assert.equal(await remove(), '204')
  })
})

describe('a renewed certificate', () => {
  it('is its owner’s, with the same label and scopes; the former stays good', async (t) => {
    const { auth, call, events, former, successor } = await renewed(t)
    await auth.certificates.checkRenewal(former.fingerprint)
    const info = await auth.certificates.renew(former.fingerprint, successor)
    assert.deepEqual([info?.name, info?.label, info?.scopes], ['ada', 'laptop', ['a']])
    for (const certificate of [former, successor]) {
      assert.equal(await codeOf(await call('/private', { peer: by(certificate) })), '200')
    }
    assert.equal(events.filter(({ reason }) => reason === 'certificate renewed').length, 1)
  })

  it('ends with the one it was renewed from: a thief renews as well', async (t) => {
    const { auth, call, former, successor, revoked } = await renewed(t)
    await auth.certificates.renew(former.fingerprint, successor)
    const third = certify('ada', (await PrivateKey.generate('p256')).publicKey)
    await auth.certificates.renew(successor.fingerprint, third)
    assert.equal(await auth.certificates.revoke(former.fingerprint), true)
    const all = [former, successor, third]
    assert.deepEqual(
      revoked,
      all.map(({ fingerprint }) => fingerprint),
    )
    for (const certificate of all) {
      assert.equal(
        await codeOf(await call('/private', { peer: by(certificate) })),
        '401 credentials-invalid',
      )
    }
    assert.deepEqual(await auth.certificates.list('ada'), [])
  })

  it('does not take the former along', async (t) => {
    const { auth, call, former, successor } = await renewed(t)
    await auth.certificates.renew(former.fingerprint, successor)
    await auth.certificates.revoke(successor.fingerprint)
    assert.equal(await codeOf(await call('/private', { peer: by(former) })), '200')
  })

  it('is refused where the former was revoked, or its owner is disabled', async (t) => {
    const { auth, former, successor, id } = await renewed(t)
    const refused = { code: 'certificate-refused' }
    await auth.users.disable('ada')
    await assert.rejects(auth.certificates.checkRenewal(former.fingerprint), refused)
    await assert.rejects(auth.certificates.renew(former.fingerprint, successor), refused)
    await auth.users.enable('ada')
    await auth.certificates.revoke(id)
    await assert.rejects(auth.certificates.checkRenewal(former.fingerprint), refused)
    await assert.rejects(auth.certificates.renew(former.fingerprint, successor), refused)
    assert.deepEqual(await auth.certificates.list('ada'), [])
  })

  it('is nobody’s where the former was nobody’s', async (t) => {
    const { auth, call, successor } = await renewed(t)
    const stranger = certify('eve', (await PrivateKey.generate('p256')).publicKey)
    await auth.certificates.checkRenewal(stranger.fingerprint)
    assert.equal(await auth.certificates.renew(stranger.fingerprint, successor), undefined)
    assert.equal(
      await codeOf(await call('/private', { peer: by(successor) })),
      '401 credentials-required',
    )
  })

  it('is registered once, and only while nobody revokes: of two at once one is refused', async (t) => {
    const { auth, former, successor } = await renewed(t)
    const both = await Promise.allSettled([
      auth.certificates.renew(former.fingerprint, successor),
      auth.certificates.revoke(former.fingerprint),
    ])
    assert.equal(both[1]?.status, 'fulfilled')
    // Whichever came first, nothing of it is good afterwards.
    assert.deepEqual(await auth.certificates.list('ada'), [])
  })
})
