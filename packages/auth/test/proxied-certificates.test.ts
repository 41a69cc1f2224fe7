/**
 * `Client-Cert` of a proxy (RFC 9440): from one that is pinned the certificate of its client, from everybody else nothing at all.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AuthPeer, ClientCertTrust, Refusal } from '@countersign/auth'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import type { Certificate, CertificateRevocationList } from '@countersign/x509'
import { codeOf, type Direct, openDirect, TLS } from './direct.ts'
import { PASSWORD } from './service.ts'

scrubProcess()

const authority = testAuthority()
const foreign = testAuthority()
const client = (name: string): Certificate =>
  authority.issue({ names: [name], client: true }).certificate

const GATE = client('gate')
const OTHER_GATE = client('other-gate')
const ADA = client('ada')
const EVE = client('eve')
const FOREIGN = foreign.issue({ names: ['ada'], client: true }).certificate
const SERVER = authority.issue({ names: ['ada.internal'] }).certificate
const DAY = 86_400_000
const ENDED = authority.issue({
  names: ['ada'],
  client: true,
  notBefore: new Date(Date.now() - 2 * DAY),
  notAfter: new Date(Date.now() - DAY),
}).certificate

const by = (certificate: Certificate | undefined): AuthPeer => ({ ...TLS, certificate })
const item = ({ der }: Certificate): string => `:${Buffer.from(der).toString('base64')}:`
const pin = ({ fingerprint }: Certificate): string => `sha256:${fingerprint}`
const spiffe = ({ subjectAltNames: [name] }: Certificate): string =>
  name?.type === 'uri' ? name.value : ''

const nobody = '401 credentials-required'
const invalid = '401 credentials-invalid'
const invalidLogin = '401 invalid-credentials'
const malformed = '400 malformed-request'

const rootAlone = (): ClientCertTrust => ({ roots: [authority.root] })

interface Opened extends Direct {
  /** How often the trust was asked for. */
  asked: () => number
  revoke: (...certificates: Certificate[]) => void
}

/** The lists of a moment. */
function lists(...revoked: Certificate[]): CertificateRevocationList[] {
  return [authority.crl({ revoked }), authority.crl({ ofRoot: true })]
}

async function open(
  t: Parameters<typeof openDirect>[0],
  options: Parameters<typeof openDirect>[1] & { proxies?: readonly string[] } = {},
): Promise<Opened> {
  const { proxies = [pin(GATE)], ...rest } = options
  let count = 0
  let crls = lists()
  const trust = (): ClientCertTrust => {
    count += 1
    return { roots: [authority.root], intermediates: [authority.issuer], crls }
  }
  const direct = await openDirect(t, { ...rest, clientCertFrom: { proxies, trust } })
  const { auth } = direct
  await auth.users.add({ name: 'ada', password: PASSWORD, roles: ['admin'] })
  await auth.users.add({ name: 'gate', kind: 'service' })
  await auth.certificates.add('ada', ADA.pem)
  return {
    ...direct,
    asked: () => count,
    revoke: (...certificates) => {
      crls = lists(...certificates)
    },
  }
}

async function through(
  { call }: Direct,
  header: string | undefined,
  peer: AuthPeer | undefined = by(GATE),
  more: Record<string, string> = {},
): Promise<string> {
  const headers = header === undefined ? more : { 'client-cert': header, ...more }
  const answer = await call('/private', { peer, headers })
  return answer.status === 200 ? JSON.parse(await answer.text()).name : await codeOf(answer)
}

describe('Client-Cert of a pinned proxy', () => {
  it('is who calls, by fingerprint of the proxy or its SPIFFE ID', async (t) => {
    const colons = GATE.fingerprint.toUpperCase().replaceAll(/(..)(?=.)/g, '$1:')
    for (const one of [pin(GATE), `sha256:${colons}`, spiffe(GATE)]) {
      const opened = await open(t, { proxies: [one] })
      assert.equal(await through(opened, item(ADA)), 'ada', one)
      const { via, cnf } = JSON.parse(
        await (
          await opened.call('/auth/session', {
            peer: by(GATE),
            headers: { 'client-cert': item(ADA) },
          })
        ).text(),
      )
      assert.equal(via, 'mtls')
      assert.match(cnf.x5tS256, /^[\w-]{43}$/)
    }
  })

  it('takes the chain that the proxy tells of, and trusts nothing for it', async (t) => {
    const proxies = [pin(GATE)]
    const direct = await openDirect(t, { clientCertFrom: { proxies, trust: rootAlone } })
    await direct.auth.users.add({ name: 'ada' })
    for (const certificate of [ADA, FOREIGN])
      await direct.auth.certificates.add('ada', certificate.pem)
    const chain = (...above: Certificate[]): Record<string, string> => ({
      'client-cert-chain': above.map(item).join(', '),
    })
    const gate = by(GATE)
    assert.equal(await through(direct, item(ADA), gate), invalid)
    assert.equal(await through(direct, item(ADA), gate, chain(authority.issuer)), 'ada')
    assert.equal(
      await through(direct, item(FOREIGN), gate, chain(foreign.issuer, foreign.root)),
      invalid,
    )
    assert.equal(await through(direct, undefined, gate, chain(authority.issuer)), malformed)
    const many = chain(...Array.from({ length: 11 }, () => authority.issuer))
    assert.equal(await through(direct, item(ADA), gate, many), malformed)
  })

  it('is verified like one on the wire: authority, purpose, validity, lists', async (t) => {
    const opened = await open(t)
    const { auth, events, pass, revoke } = opened
    for (const certificate of [FOREIGN, SERVER, ENDED]) {
      await auth.certificates.add('ada', certificate.pem)
    }
    const wrong: [Certificate, string][] = [
      [FOREIGN, 'client-cert-missing-intermediate'],
      [SERVER, 'client-cert-wrong-purpose'],
      [ENDED, 'client-cert-expired'],
      [authority.issuer, 'client-cert-'],
      [authority.root, 'client-cert-'],
    ]
    for (const [certificate, reason] of wrong) {
      const refused = await through(opened, item(certificate))
      assert.ok([invalid, '401 credentials-invalid'].includes(refused), refused)
      assert.ok(events.at(-1)?.reason?.startsWith(reason), events.at(-1)?.reason)
    }
    assert.equal(await through(opened, item(ADA)), 'ada')
    revoke(ADA)
    pass(2000)
    assert.equal(await through(opened, item(ADA)), invalid)
    assert.equal(events.at(-1)?.reason, 'client-cert-revoked')
    revoke()
    pass(2000)
    assert.equal(await through(opened, item(ADA)), 'ada')
    // A list that has run out is none.
    pass(2 * DAY)
    assert.equal(await through(opened, item(ADA)), invalid)
  })

  it('lets nobody in whose row was revoked or whose owner is disabled, at once', async (t) => {
    const opened = await open(t)
    const { auth } = opened
    assert.equal(await through(opened, item(ADA)), 'ada')
    await auth.users.disable('ada')
    assert.equal(await through(opened, item(ADA)), invalid)
    await auth.users.enable('ada')
    await auth.certificates.revoke(ADA.fingerprint)
    assert.equal(await through(opened, item(ADA)), invalid)
  })

  const good = item(ADA)
  const bare = good.slice(1, -1)
  const misspelt: [string, string][] = [
    ['nothing', ''],
    ['no colons', bare],
    ['one colon', `:${bare}`],
    ['quotes', `"${bare}"`],
    ['a parameter', `${good};a=1`],
    ['two items', `${good}, ${good}`],
    ['two of two people', `${item(EVE)}, ${good}`],
    ['an empty sequence', '::'],
    ['base64url', good.replaceAll('+', '-').replaceAll('/', '_')],
    ['white space inside', `${good.slice(0, 40)} ${good.slice(40)}`],
    ['another spelling of the same bytes', ':QR==:'],
    ['no certificate', `:${Buffer.from('no certificate').toString('base64')}:`],
    ['PEM', `:${Buffer.from(ADA.pem).toString('base64')}:`],
    ['a certificate and more', `:${Buffer.concat([ADA.der, Buffer.alloc(1)]).toString('base64')}:`],
    ['too much', `:${'A'.repeat(20_000)}:`],
  ]
  it('is refused where it is malformed or there twice', async (t) => {
    const opened = await open(t)
    for (const [what, header] of misspelt) {
      assert.equal(await through(opened, header), malformed, what)
    }
    assert.equal(opened.events.at(-1)?.reason, 'client-cert-malformed')
    assert.equal(await through(opened, good), 'ada')
  })

  it('leaves the proxy itself nobody: its certificate is never that of its client', async (t) => {
    const opened = await open(t)
    await opened.auth.certificates.add('gate', GATE.pem)
    assert.equal(await through(opened, undefined), nobody)
    // In the header it is one like any other.
    assert.equal(await through(opened, item(GATE)), 'gate')
  })

  it('is what cookies and tokens are bound to', async (t) => {
    const opened = await open(t, { session: { bindCertificate: true } })
    const { auth, call, signIn } = opened
    const thumbprint = Buffer.from(ADA.fingerprint, 'hex').toString('base64url')
    const { token } = await auth.tokens.create('ada', { label: 'x', x5tS256: thumbprint })
    const peer = by(GATE)
    const behind = { peer, headers: { 'client-cert': item(ADA) } }
    const cookie = await signIn('ada', behind)
    for (const credential of [{ bearer: token }, { cookie }]) {
      assert.equal(await codeOf(await call('/private', { ...behind, ...credential })), '200')
      assert.equal(await codeOf(await call('/auth/session', { ...behind, ...credential })), '200')
      // Without it, with another's, and on the proxy's own word.
      const others = [{ peer }, { peer, headers: { 'client-cert': item(EVE) } }, { peer: by(EVE) }]
      for (const how of others) {
        assert.equal(await codeOf(await call('/private', { ...how, ...credential })), invalid)
      }
      // The same on the wire.
      assert.equal(await codeOf(await call('/private', { peer: by(ADA), ...credential })), '200')
    }
  })

  it('asks for the trust once in two seconds, and lets nobody in where that fails', async (t) => {
    const opened = await open(t)
    for (let count = 0; count < 3; count++) assert.equal(await through(opened, good), 'ada')
    assert.equal(opened.asked(), 1)
    opened.pass(2000)
    assert.equal(await through(opened, good), 'ada')
    assert.equal(opened.asked(), 2)
    const away = await openDirect(t, {
      clientCertFrom: {
        proxies: [pin(GATE)],
        trust: async () => {
          throw new Error('away')
        },
      },
    })
    assert.equal(await through(away, good), '503 store-unavailable')
  })
})

describe('Client-Cert of anybody else', () => {
  it('is as if it were not there', async (t) => {
    const opened = await open(t, { proxies: [pin(GATE), `${spiffe(GATE)}-of-another-name`] })
    await opened.auth.users.add({ name: 'eve' })
    await opened.auth.certificates.add('eve', EVE.pem)
    const peers: [string, AuthPeer | undefined, string][] = [
      ['no certificate', TLS, nobody],
      ['a certificate that is not pinned', by(OTHER_GATE), nobody],
      ['somebody else', by(EVE), 'eve'],
      [
        'the same name of another authority',
        by(foreign.issue({ names: ['gate'], client: true }).certificate),
        nobody,
      ],
      ['plain HTTP', { address: '192.0.2.1', encrypted: false, certificate: GATE }, nobody],
      [
        'plain HTTP of this machine',
        { address: '127.0.0.1', encrypted: false, certificate: GATE },
        nobody,
      ],
      ['nobody knows', undefined, nobody],
    ]
    for (const [what, peer, expected] of peers) {
      const { call } = opened
      const headers = { 'client-cert': item(ADA) }
      const answer = await call('/private', { peer, headers })
      const seen =
        answer.status === 200 ? JSON.parse(await answer.text()).name : await codeOf(answer)
      assert.equal(seen, expected, what)
      // Nor is it looked at.
      const odd = await call('/private', { peer, headers: { 'client-cert': 'x' } })
      assert.notEqual(await codeOf(odd), malformed, what)
    }
    assert.equal(opened.asked(), 0)
  })

  it('so too where no proxy is named at all', async (t) => {
    const direct = await openDirect(t)
    await direct.auth.users.add({ name: 'ada' })
    await direct.auth.certificates.add('ada', ADA.pem)
    assert.equal(await through(direct, item(ADA)), nobody)
  })
})

const from = (
  addressFrom: 'forwarded' | 'x-forwarded-for' | undefined,
): Pick<Parameters<typeof openDirect>[1] & object, 'clientCertFrom'> => ({
  clientCertFrom: { proxies: [pin(GATE)], addressFrom, trust: rootAlone },
})
/** Where a wrong password came from, as the log has it. */
async function seenFrom(
  { call, events }: Direct,
  headers: Record<string, string>,
  peer = by(GATE),
): Promise<string | undefined> {
  const json = { username: 'ada', password: 'wrong wrong wrong' }
  await call('/login', { peer, headers, json })
  return events.at(-1)?.address
}

describe('the address that a pinned proxy tells', () => {
  it('is the last of the header that is named, and the proxy’s where that says nothing', async (t) => {
    const proxy = '192.0.2.1'
    const far = '198.51.100.7'
    const list = await openDirect(t, from('x-forwarded-for'))
    const ways: [string, string][] = [
      [far, far],
      [`203.0.113.9, ${far}`, far],
      [`203.0.113.9,${far}:4711`, far],
      ['2001:db8::1', '2001:db8::1'],
      ['::ffff:198.51.100.7', far],
      [`${far}, unknown`, proxy],
      [`${far}, `, proxy],
      ['', proxy],
    ]
    for (const [text, address] of ways) {
      assert.equal(await seenFrom(list, { 'x-forwarded-for': text }), address, text)
    }
    assert.equal(await seenFrom(list, { forwarded: `for=${far}` }), proxy)
    const forwarded = await openDirect(t, from('forwarded'))
    const elements: [string, string][] = [
      [`for=203.0.113.9, for=${far};proto=https`, far],
      ['for="[2001:db8::1]:4711"', '2001:db8::1'],
      [`for=${far}, for=_hidden`, proxy],
      // The client has left a quote open.
      [`for="203.0.113.9, for=${far}`, proxy],
    ]
    for (const [text, address] of elements) {
      assert.equal(await seenFrom(forwarded, { forwarded: text }), address, text)
    }
    assert.equal(await seenFrom(forwarded, { 'x-forwarded-for': far }), proxy)
  })

  it('changes nothing where nobody pinned tells it, nor where no header is named', async (t) => {
    const opened = await openDirect(t, from('x-forwarded-for'))
    const headers = { 'x-forwarded-for': '198.51.100.7', forwarded: 'for=198.51.100.7' }
    for (const peer of [TLS, by(OTHER_GATE), by(ADA), { ...by(GATE), encrypted: false }]) {
      assert.equal(await seenFrom(opened, headers, peer), '192.0.2.1')
    }
    const silent = await openDirect(t, from(undefined))
    assert.equal(await seenFrom(silent, headers), '192.0.2.1')
  })

  it('is what attempts are counted by: one client behind the proxy does not lock the others out', async (t) => {
    const { call } = await openDirect(t, {
      ...from('x-forwarded-for'),
      throttle: { perAddress: 3 },
    })
    const attempt = async (address: string): Promise<string> =>
      await codeOf(
        await call('/login', {
          peer: by(GATE),
          headers: { 'x-forwarded-for': `203.0.113.250, ${address}` },
          json: { username: 'nobody', password: 'wrong wrong wrong' },
        }),
      )
    for (let count = 0; count < 3; count++)
      assert.equal(await attempt('198.51.100.7'), invalidLogin)
    assert.match(await attempt('198.51.100.7'), /^429 /)
    assert.equal(await attempt('198.51.100.8'), invalidLogin)
  })
})

describe('clientCertFrom', () => {
  it('reaches every way to ask', async (t) => {
    const { auth } = await open(t)
    const request = new Request('https://service.internal/', {
      headers: { 'client-cert': item(ADA) },
    })
    const gate = by(GATE)
    const found = await auth.authenticate(request, gate)
    assert.ok('principal' in found && found.principal.name === 'ada')
    const handler = auth.protect((_request, context: { peer: AuthPeer; auth: { via: string } }) =>
      Response.json([context.auth.via, context.peer.certificate?.fingerprint]),
    )
    const context = { peer: gate, auth: { via: 'overwritten' } }
    const answer = await handler(request, context)
    assert.deepEqual(await answer.json(), ['mtls', ADA.fingerprint])
    const peer = await auth.behind(request, gate)
    assert.ok(isPeer(peer))
    assert.equal(peer.certificate?.fingerprint, ADA.fingerprint)
    // Looked at once: what came of it is not looked behind again.
    assert.equal(await auth.behind(request, peer), peer)
    const bad = new Request('https://service.internal/', { headers: { 'client-cert': 'x' } })
    const refused = await auth.authenticate(bad, gate)
    assert.ok('status' in refused && refused.status === 400)
    assert.equal((await handler(bad, context)).status, 400)
  })

  it('is checked when it is given', async () => {
    const wrong: object[] = [
      { trust: rootAlone },
      { proxies: [], trust: rootAlone },
      { proxies: ['sha256:ab'], trust: rootAlone },
      { proxies: [GATE.fingerprint], trust: rootAlone },
      { proxies: ['10.0.0.1'], trust: rootAlone },
      { proxies: ['spiffe://test.internal'], trust: rootAlone },
      { proxies: ['spiffe://test.internal/*'], trust: rootAlone },
      { proxies: [pin(GATE)], addressFrom: 'x-real-ip', trust: rootAlone },
      { proxies: [pin(GATE)] },
      { proxies: [pin(GATE)], trust: {} },
      { proxies: [pin(GATE)], trust: rootAlone, verify: false },
    ]
    for (const clientCertFrom of wrong) {
      const options = Object.fromEntries([['clientCertFrom', clientCertFrom]])
      await assert.rejects(openDirect({ after: () => {} }, options), /clientCertFrom/)
    }
  })
})

function isPeer(value: AuthPeer | Refusal | undefined): value is AuthPeer {
  return value !== undefined && !('problem' in value)
}
