/**
 * Every way to ask, with every state a credential can be in, over every transport: one table. Access tokens and certificates have their
 * own (`attempts-jwt.test.ts`, `attempts-certificates.test.ts`), and so have real connections (`packages/countersign/test/attempts-tls.test.ts`).
 *
 * A column is a transport: TLS; plain HTTP from elsewhere; plain HTTP on this machine; a connection of which nothing is known.
 * A cell is the status and the code of the answer.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { AuthPeer } from '@countersign/auth'
import { scrubProcess } from '@countersign/testkit'
import { makeSessions, makeTokens, OTHER, OWN } from './attempt-states.ts'
import { assertAnswer, crossSite, invalid, ok, plain, required, two } from './attempt-check.ts'
import { type Call, type Direct, openDirect, TLS, tokenOf } from './direct.ts'

scrubProcess()

const TRANSPORTS: [string, AuthPeer | undefined][] = [
  ['TLS', TLS],
  ['plain HTTP', { address: '192.0.2.1', encrypted: false }],
  ['plain HTTP on this machine', { address: '127.0.0.1', encrypted: false }],
  ['a connection of which nothing is known', undefined],
]

/** What a state gets over TLS; over anything else it is `tls-required`, or `required` where nothing was seen. */
type Row = [state: string, expected: string, elsewhere?: 'nothing is seen']

const SESSIONS: Row[] = [
  ['good', ok],
  ['none', required, 'nothing is seen'],
  ['empty', invalid],
  ['unknown', invalid],
  ['too short', invalid],
  ['5,000 characters', invalid],
  ['with a space', invalid],
  ['in quotes', invalid],
  ['idle for half an hour', invalid],
  ['twelve hours old', invalid],
  ['logged out', invalid],
  ['ended by its owner elsewhere', invalid],
  ['from before a new password', invalid],
  ['of a disabled user', invalid],
  ['of a user enabled again', invalid],
  ['from before a step-up', invalid],
  ['renewed, the new one not seen yet', ok],
  ['renewed, a minute after the new one was seen', invalid],
  ['the hash as the database has it', invalid],
  ['the sid in place of the token', invalid],
]

const TOKENS: Row[] = [
  ['good', ok],
  ['with a lower-case scheme', ok],
  ['with three spaces', ok],
  ['unknown, with a right checksum', invalid],
  ['with a wrong checksum', invalid],
  ['cut short', invalid],
  ['with a character more', invalid],
  ['of another service', invalid],
  ['revoked', invalid],
  ['expired', invalid],
  ['from before a new password', invalid],
  ['of a disabled user', invalid],
  ['from another network', invalid],
  ['from its network', ok],
  ['bound to a certificate, without one', invalid],
  ['bound to a certificate, with another', invalid],
  ['bound to a certificate, with it', ok],
  ['as a password of Basic', invalid],
  ['as a user of Basic', invalid],
  ['without a scheme', invalid],
  ['with the scheme Token', invalid],
  ['with the scheme DPoP', invalid],
  ['with nothing behind Bearer', invalid],
  ['twice in one header', two],
  ['with a header of 10,000 characters', invalid],
  ['in the query', required, 'nothing is seen'],
  ['in a form', required, 'nothing is seen'],
  ['in a cookie', invalid],
  ['in X-Api-Key', required, 'nothing is seen'],
  ['in Proxy-Authorization', required, 'nothing is seen'],
  ['its hash as the database has it', invalid],
]

/** Nobody is who a header says. */
const SPOOFED: [string, string][] = [
  ['x-forwarded-user', 'root'],
  ['x-remote-user', 'root'],
  ['remote-user', 'root'],
  ['x-authenticated-user', 'root'],
  ['x-ssl-client-verify', 'SUCCESS'],
  ['x-ssl-client-dn', 'CN=root'],
  ['x-client-cert', 'PEM'],
  ['client-cert', ':MIIB:'],
  ['ssl-client-cert', 'PEM'],
  ['x-forwarded-client-cert', 'Hash=0;URI=spiffe://internal/root'],
  ['x-forwarded-uri', '/healthz'],
  ['x-original-url', '/healthz'],
  ['x-http-method-override', 'OPTIONS'],
  ['user-agent', 'kube-probe/1.30'],
]

const CROSS_SITE: [string, Record<string, string>, string][] = [
  ['POST', {}, ok],
  ['POST', { 'sec-fetch-site': 'same-origin' }, ok],
  ['POST', { 'sec-fetch-site': 'none' }, ok],
  ['POST', { 'sec-fetch-site': 'same-site' }, crossSite],
  ['POST', { 'sec-fetch-site': 'cross-site' }, crossSite],
  ['PUT', { 'sec-fetch-site': 'cross-site' }, crossSite],
  ['PATCH', { 'sec-fetch-site': 'cross-site' }, crossSite],
  ['DELETE', { 'sec-fetch-site': 'cross-site' }, crossSite],
  ['POST', { 'sec-fetch-site': 'Same-Origin' }, crossSite],
  ['POST', { origin: 'https://service.internal' }, ok],
  ['POST', { origin: 'https://service.internal:8443' }, crossSite],
  ['POST', { origin: 'http://service.internal' }, crossSite],
  ['POST', { origin: 'https://evil.example' }, crossSite],
  ['POST', { origin: 'null' }, crossSite],
  ['POST', { 'sec-fetch-site': 'cross-site', origin: 'https://service.internal' }, crossSite],
  ['GET', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }, ok],
  ['HEAD', { 'sec-fetch-site': 'cross-site' }, ok],
]

const GUARDS: [string, string, string][] = [
  ['/admins', 'session', '403 role-missing'],
  ['/admins', 'session of an administrator', ok],
  ['/admins', 'token', '403 role-missing'],
  ['/admins', 'token of an administrator', ok],
  ['/reports', 'session', ok],
  ['/reports', 'token', ok],
  ['/reports', 'token for reports', ok],
  ['/reports', 'token for something else', '403 scope-missing'],
  ['/sessions-only', 'session', ok],
  ['/sessions-only', 'token', '403 method-refused'],
  ['/fresh', 'session', ok],
  ['/fresh', 'session of an hour ago', '401 step-up-required'],
  ['/strong', 'session', '401 step-up-required'],
  ['/strong', 'token', '401 step-up-required'],
  ['/auth/sessions', 'token', '403 method-refused'],
  ['/auth/tokens', 'token', '403 method-refused'],
  ['/auth/session', 'token', ok],
  ['/admin/principals', 'session', '403 role-missing'],
  ['/admin/principals', 'session of an administrator', ok],
  ['/admin/principals', 'token of an administrator', '403 method-refused'],
]

/** What a challenge for more proof says besides. */
const PROOF: Readonly<Record<string, string>> = {
  '/fresh': 'max_age="900"',
  '/strong': 'acr_values="aal2"',
}

describe('an attempt to be recognised', () => {
  let direct: Direct | undefined
  const sessions = new Map<string, string>()
  const tokens = new Map<string, Call>()
  const hooks: (() => void | Promise<void>)[] = []
  after(async () => {
    for (const hook of hooks) await hook()
  })
  const ready = (): Direct => {
    assert.ok(direct !== undefined)
    return direct
  }

  before(async () => {
    direct = await openDirect((hook) => hooks.push(hook))
    await makeSessions(direct, sessions)
    await makeTokens(direct, tokens)
    // Beside those of the table, a few for the guards.
    assert.equal(sessions.size, SESSIONS.length + 2)
    assert.equal(tokens.size, TOKENS.length + 3)
  })

  for (const [transport, peer] of TRANSPORTS) {
    for (const [state, expected, elsewhere] of SESSIONS) {
      it(`session, ${state}, over ${transport}`, async () => {
        const secure = peer === TLS
        const unseen = elsewhere === undefined ? plain : required
        const cookie = sessions.get(state) ?? ''
        // Over plain HTTP the cookie has its plain name; one with the prefix is not ours there.
        const sent = secure ? cookie : cookie.replace('__Host-', '')
        await asked('/private', { cookie: sent, peer }, secure ? expected : unseen)
        if (!secure && cookie !== '') await asked('/private', { cookie, peer }, required)
      })
    }
    for (const [state, expected, elsewhere] of TOKENS) {
      it(`API token, ${state}, over ${transport}`, async () => {
        const call = tokens.get(state)
        assert.ok(call !== undefined)
        const unseen = elsewhere === undefined ? plain : required
        const where = peer === TLS ? { ...TLS, ...call.peer } : peer
        await asked('/private', { ...call, peer: where }, peer === TLS ? expected : unseen)
      })
    }
  }

  for (const [name, value] of SPOOFED) {
    it(`nothing but the header ${name}`, async () => {
      await asked('/private', { headers: { [name]: value } }, required)
    })
  }
  for (const [name, value] of [
    ['x-forwarded-proto', 'https'],
    ['forwarded', 'proto=https'],
    ['x-forwarded-ssl', 'on'],
    ['front-end-https', 'on'],
  ] as const) {
    it(`a good session over plain HTTP with ${name}`, async () => {
      const cookie = (sessions.get('good') ?? '').replace('__Host-', '')
      const peer = { address: '127.0.0.1', encrypted: false }
      await asked('/private', { cookie, peer, headers: { [name]: value } }, plain)
    })
  }

  for (const [method, headers, expected] of CROSS_SITE) {
    it(`a session with ${method} ${JSON.stringify(headers)}`, async () => {
      await asked('/private', { cookie: sessions.get('good'), method, headers }, expected)
    })
    it(`a token with ${method} ${JSON.stringify(headers)}, which no page sends by itself`, async () => {
      const token = tokens.get('good')
      await asked('/private', { ...token, method, headers: { ...token?.headers, ...headers } }, ok)
    })
  }

  const good = (name: string): string => sessions.get(name) ?? ''
  const twice: [string, () => Call, string][] = [
    ['a session and a token', () => ({ ...tokens.get('good'), cookie: good('good') }), two],
    ['a session and a bad token', () => ({ ...tokens.get('revoked'), cookie: good('good') }), two],
    ['a bad session and a token', () => ({ ...tokens.get('good'), cookie: good('unknown') }), two],
    [
      'a session and Basic',
      () => ({ headers: { authorization: 'Basic YTpi' }, cookie: good('good') }),
      two,
    ],
    ['a session twice', () => ({ cookie: `${good('good')}; ${good('good')}` }), invalid],
    ['a session and another', () => ({ cookie: `${good('good')}; ${good('unknown')}` }), invalid],
    ['another and a session', () => ({ cookie: `${good('unknown')}; ${good('good')}` }), invalid],
    [
      'a session with a name in small letters',
      () => ({ cookie: good('good').toLowerCase() }),
      required,
    ],
    [
      'a session with the plain name over TLS',
      () => ({ cookie: good('good').replace('__Host-', '') }),
      required,
    ],
    ['a session among other cookies', () => ({ cookie: `a=1; ${good('good')}; b=2` }), ok],
    [
      'a session in the query',
      () => ({ query: { '__Host-countersign-sid': tokenOf(good('good')) } }),
      required,
    ],
    ['a session as a bearer token', () => ({ bearer: tokenOf(good('good')) }), invalid],
    ['a certificate and nothing else', () => ({ peer: { ...TLS, certificate: OWN } }), required],
    [
      'a session beside a certificate',
      () => ({ cookie: good('good'), peer: { ...TLS, certificate: OTHER } }),
      ok,
    ],
  ]
  for (const [what, call, expected] of twice) {
    it(what, async () => {
      await asked('/private', call(), expected)
    })
  }

  for (const [path, who, expected] of GUARDS) {
    it(`${path} with a ${who}`, async () => {
      const name = who.replace(/^(session|token) ?/, '')
      const call: Call = who.startsWith('session')
        ? { cookie: sessions.get(name === '' ? 'good' : name) }
        : (tokens.get(name === '' ? 'good' : name) ?? {})
      await asked(path, call, expected)
    })
  }

  /** Asks, and holds status, code, type, challenge and caching against what they must be. */
  async function asked(path: string, call: Call, expected: string): Promise<void> {
    const more = expected === '401 step-up-required' ? PROOF[path] : undefined
    await assertAnswer(await ready().call(path, call), expected, { more })
  }
})
