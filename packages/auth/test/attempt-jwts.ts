/**
 * Access tokens in every state they can be in: most are signed by the service's own key, so that nothing but what they say is wrong.
 */
import assert from 'node:assert/strict'
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hash,
  type KeyObject,
  randomUUID,
} from 'node:crypto'
import type { AuthPeer } from '@countersign/auth'
import { SigningKeys } from '../src/oauth/signing-keys.ts'
import { SecretBox } from '../src/secret-box.ts'
import { OTHER, OWN } from './attempt-states.ts'
import { type Call, type Direct, sessionCookieOf, TLS } from './direct.ts'
import { ASSERTION_TYPE, claimsOf, jwt } from './oauth-service.ts'
import { PASSWORD } from './service.ts'

export const ORIGIN = 'https://service.internal'

/** The call of every state; a proof is good for one call, so that each is made anew. */
export type States = Map<string, () => Call>

/** What the tokens of a table are made with. */
export interface Mint {
  direct: Direct
  /** The claims of a good token. */
  claims: Record<string, unknown>
  /** Signs as the service does. */
  sign: (claims: object, header?: object) => string
  /** Asks for a token. */
  token: (form?: Record<string, string>, how?: Pick<Call, 'headers' | 'peer'>) => Promise<string>
  /** The parameters by which the client proves who it is. */
  proof: () => Record<string, string>
  /** The same with the key that signs now. */
  again: () => Promise<Mint>
}

/** Makes a client, and everything to forge its tokens with. */
export async function openMint(direct: Direct, keyFile: string): Promise<Mint> {
  const { auth, call, now } = direct
  for (const name of ['robot', 'gone']) await auth.users.add({ name, kind: 'service' })
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await auth.publicKeys.add('robot', { ...publicKey.export({ format: 'jwk' }) })
  await auth.certificates.add('robot', OWN.pem)
  const proof = (): Record<string, string> => {
    const iat = Math.floor(now().getTime() / 1000)
    const claims = {
      iss: 'robot',
      sub: 'robot',
      aud: ORIGIN,
      jti: randomUUID(),
      iat,
      exp: iat + 60,
    }
    return {
      client_assertion_type: ASSERTION_TYPE,
      client_assertion: jwt(privateKey, { alg: 'ES256' }, claims),
    }
  }
  const token: Mint['token'] = async (form = proof(), how = {}) => {
    const answer = await call('/oauth/token', {
      ...how,
      form: { grant_type: 'client_credentials', ...form },
    })
    const body = JSON.parse(await answer.text())
    assert.equal(answer.status, 200, JSON.stringify(body))
    return String(body.access_token)
  }
  const again = async (): Promise<Mint> => {
    const { key, keyId } = await currentKey(direct, keyFile)
    const sign: Mint['sign'] = (claims, header = {}) =>
      jwt(key, { alg: 'ES256', typ: 'at+jwt', kid: keyId, ...header }, claims)
    return { direct, claims: claimsOf(await token()), sign, token, proof, again }
  }
  return await again()
}

/** The service's own key, as a process beside it reads it. */
async function currentKey(
  { now, store }: Direct,
  keyFile: string,
): Promise<{ key: KeyObject; keyId: string }> {
  const box = await SecretBox.open({ path: keyFile }, store, now)
  const settings = { algorithm: 'ES256', rotationMs: 1_000_000_000 } as const
  const current = await new SigningKeys({ store, clock: now, box, ...settings }).current()
  const der = Buffer.from(current.export())
  return { key: createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }), keyId: current.keyId }
}

/** A call with a bearer token in every state of the table, by its name. */
export async function makeJwts(mint: Mint, given: string, states: States): Promise<void> {
  const { direct, sign, token } = mint
  const { auth, call, now, signIn } = direct
  const seconds = Math.floor(now().getTime() / 1000)
  const bearer = (state: string, text: string, peer: AuthPeer = TLS): void => {
    states.set(state, () => ({ bearer: text, peer }))
  }
  const header = (state: string, name: string, value: string): void => {
    states.set(state, () => ({ headers: { [name]: value } }))
  }
  // What one claim or one field of the header is worth: all else is right, and so is the signature.
  const claim = (state: string, changed: object): void => {
    bearer(state, sign({ ...mint.claims, jti: randomUUID(), ...changed }))
  }
  const headed = (state: string, changed: object): void => {
    bearer(state, sign({ ...mint.claims, jti: randomUUID() }, changed))
  }
  const good = await token()
  bearer('good', good)
  claim('signed by hand', {})
  header('with a lower-case scheme', 'authorization', `bearer ${good}`)
  claim('a second before its end', { exp: seconds + 1 })
  claim('expired', { exp: seconds })
  claim('expired for a minute', { exp: seconds - 60 })
  claim('without an end', { exp: undefined })
  claim('of tomorrow', { nbf: seconds + 86_400, iat: seconds + 86_400, exp: seconds + 90_000 })
  claim('for another audience', { aud: 'https://other.internal' })
  claim('for us among others', { aud: [ORIGIN, 'https://other.internal'] })
  claim('for nobody', { aud: undefined })
  claim('of another issuer', { iss: 'https://other.internal' })
  claim('of an issuer whose name begins like ours', { iss: `${ORIGIN}.evil.example` })
  claim('without an issuer', { iss: undefined })
  claim('without an identifier', { jti: undefined })
  claim('without a subject', { sub: undefined })
  claim('without a client', { client_id: undefined })
  claim('of a subject that nobody is', { sub: '01JDN9Z8XQ5T7V3W2Y1A0B9C8D' })
  claim('without scopes', { scope: undefined })
  claim('of an epoch before', { epoch: Number(mint.claims['epoch']) - 1 })
  claim('for reports', { scope: 'reports:read other' })
  claim('for something else', { scope: 'other' })
  claim('for what only begins like reports', { scope: 'reports:read.all' })
  headed('of the type JWT', { typ: 'JWT' })
  headed('without a type', { typ: undefined })
  headed('of the type of a proof', { typ: 'dpop+jwt' })
  headed('of no key', { kid: undefined })
  headed('of a key that nobody has', { kid: 'A'.repeat(43) })
  headed('with a critical extension', { crit: ['b64'], b64: true })
  headed('with another algorithm of the same key', { alg: 'ES384' })
  const [head = '', body = '', signature = ''] = good.split('.')
  bearer('with a changed claim', `${head}.${part({ ...mint.claims, sub: 'root' })}.${signature}`)
  bearer('with a changed signature', `${head}.${body}.${turned(signature)}`)
  bearer('without a signature', `${head}.${body}.`)
  bearer('unsigned', `${part({ alg: 'none', typ: 'at+jwt' })}.${body}.`)
  bearer('cut short', good.slice(0, -1))
  bearer('with a character more', `${good}A`)
  bearer('with padding', `${good}=`)
  bearer('with a fourth part', `${good}.${signature}`)
  bearer('longer than 8 KiB', sign({ ...mint.claims, more: 'x'.repeat(8192) }))
  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const { kid } = JSON.parse(Buffer.from(head, 'base64url').toString())
  bearer(
    "signed by a stranger under our key's name",
    jwt(stranger, { alg: 'ES256', typ: 'at+jwt', kid }, mint.claims),
  )
  const jwk = createPublicKey(stranger).export({ format: 'jwk' })
  const embedded = { alg: 'ES256', typ: 'at+jwt', jwk }
  bearer('signed by a stranger who brings the key along', jwt(stranger, embedded, mint.claims))
  const jwks: unknown = JSON.parse(await (await call('/.well-known/jwks.json')).text())
  const secret = `${part({ alg: 'HS256', typ: 'at+jwt', kid })}.${body}`
  const mac = createHmac('sha256', JSON.stringify(jwks)).update(secret).digest('base64url')
  bearer('signed with our public key as a secret', `${secret}.${mac}`)
  bearer('signed by a key that was given up', given)

  const revoked = await token()
  const taken = await call('/oauth/revoke', { form: { token: revoked, ...mint.proof() } })
  assert.equal(taken.status, 200)
  bearer('taken back by its client', revoked)
  for (const name of ['ada', 'eve', 'changed']) await auth.users.add({ name, password: PASSWORD })
  for (const [name, state] of [
    ['ada', 'of a session'],
    ['eve', 'of a session that was logged out'],
  ] as const) {
    const cookie = await signIn(name)
    const { session, principal } = JSON.parse(
      await (await call('/auth/session', { cookie })).text(),
    )
    claim(state, { sub: principal.id, sid: session.sid, cred: undefined, epoch: 0 })
    if (name === 'eve') await call('/auth/logout', { method: 'POST', cookie })
    else assert.equal(sessionCookieOf(await call('/private', { cookie })), '')
  }
  claim('of a session that never was', { sid: 'A'.repeat(26) })
  const key = await auth.publicKeys.add('robot', { ...jwk })
  await auth.publicKeys.revoke(key.id)
  claim('of a key that was revoked', { cred: key.id })
  const gone = await auth.users.find('gone')
  await auth.users.disable('gone')
  claim('of a disabled user', { sub: gone?.id, cred: undefined, epoch: 1 })
  const changed = await auth.users.find('changed')
  await auth.users.setPassword('changed', PASSWORD)
  claim('from before a new password', { sub: changed?.id, cred: undefined, epoch: 0 })

  header('as a password of Basic', 'authorization', basic(`robot:${good}`))
  header('without a scheme', 'authorization', good)
  header('with the scheme DPoP, bound to no key', 'authorization', `DPoP ${good}`)
  header('twice in one header', 'authorization', `Bearer ${good}, Bearer ${good}`)
  states.set('in the query', () => ({ query: { access_token: good } }))
  states.set('in a form', () => ({ form: { access_token: good } }))
  states.set('in a cookie', () => ({
    cookie: `__Host-countersign-sid=${good}; countersign-sid=${good}`,
  }))
  const cookie = await signIn('ada')
  states.set('and a session', () => ({
    bearer: good,
    cookie: `${cookie}; ${cookie.replace('__Host-', '')}`,
  }))

  const byCertificate = await token({ client_id: 'robot' }, { peer: { ...TLS, certificate: OWN } })
  bearer('bound to a certificate, without one', byCertificate)
  bearer('bound to a certificate, with another', byCertificate, { ...TLS, certificate: OTHER })
  bearer('bound to a certificate, with it', byCertificate, { ...TLS, certificate: OWN })
  states.set('bound to a certificate, with it in a header', () => ({
    bearer: byCertificate,
    headers: { 'client-cert': `:${Buffer.from(OWN.der).toString('base64')}:` },
  }))
  const unreadable = sign({ ...mint.claims, jti: randomUUID(), cnf: { 'x5t#S256': 1 } })
  bearer('bound to what cannot be read', unreadable, { ...TLS, certificate: OWN })
}

/** A call with a token that is bound to a key, with every proof of the table, by its name. */
export async function makeProofs(mint: Mint, states: States): Promise<void> {
  const { direct, sign, token } = mint
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const prove = (claims: object, header: object = {}, by: KeyObject = key): string =>
    jwt(
      by,
      { typ: 'dpop+jwt', alg: 'ES256', jwk: jwkOf(by), ...header },
      {
        jti: randomUUID(),
        htm: 'GET',
        htu: `${ORIGIN}/private`,
        iat: Math.floor(direct.now().getTime() / 1000),
        ...claims,
      },
    )
  const dpop = prove({ htm: 'POST', htu: `${ORIGIN}/oauth/token` })
  const bound = await token(mint.proof(), { headers: { dpop } })
  const ath = hash('sha256', bound, 'base64url')
  const { cnf } = claimsOf(bound)
  const seconds = Math.floor(direct.now().getTime() / 1000)
  const authorization = `DPoP ${bound}`
  const withProof = (state: string, proof: () => string | undefined, more: Call = {}): void => {
    states.set(state, () => {
      const made = proof()
      const headers = {
        authorization,
        ...more.headers,
        ...(made === undefined ? {} : { dpop: made }),
      }
      return { ...more, headers }
    })
  }
  const once = prove({ ath })
  withProof('a proof', () => prove({ ath }))
  withProof('a proof, and a scheme in small letters', () => prove({ ath }), {
    headers: { authorization: `dpop ${bound}` },
  })
  withProof('no proof', () => undefined)
  withProof('a proof that was used', () => once)
  withProof('a proof by another key', () => prove({ ath }, {}, other))
  withProof('a proof by another key under the name of ours', () =>
    prove({ ath }, { jwk: jwkOf(key) }, other),
  )
  withProof('a proof for another method', () => prove({ ath, htm: 'POST' }))
  withProof('a proof for another address', () => prove({ ath, htu: `${ORIGIN}/reports` }))
  withProof('a proof for another host', () => prove({ ath, htu: 'https://other.internal/private' }))
  withProof('a proof for plain HTTP', () => prove({ ath, htu: 'http://service.internal/private' }))
  withProof('a proof for another token', () => prove({ ath: hash('sha256', 'x', 'base64url') }))
  withProof('a proof for no token', () => prove({}))
  withProof('a proof of two minutes ago', () => prove({ ath, iat: seconds - 120 }))
  withProof('a proof of in two minutes', () => prove({ ath, iat: seconds + 120 }))
  withProof('a proof without an identifier', () => prove({ ath, jti: undefined }))
  withProof('a proof of the type JWT', () => prove({ ath }, { typ: 'JWT' }))
  withProof('a proof that is unsigned', () => prove({ ath }, { alg: 'none' }))
  withProof('a proof with the private key in it', () =>
    prove({ ath }, { jwk: key.export({ format: 'jwk' }) }),
  )
  withProof('two proofs', () => `${prove({ ath })}, ${prove({ ath })}`)
  withProof('something that is no proof', () => 'x')
  withProof('the scheme Bearer and no proof', () => undefined, {
    headers: { authorization: `Bearer ${bound}` },
  })
  withProof('the scheme Bearer and a proof', () => prove({ ath }), {
    headers: { authorization: `Bearer ${bound}` },
  })
  withProof('a proof and a changed token', () => prove({ ath }), {
    headers: { authorization: `DPoP ${bound.slice(0, -4)}AAAA` },
  })
  const both = sign({
    ...mint.claims,
    jti: randomUUID(),
    cnf: { ...Object(cnf), 'x5t#S256': Buffer.from(OWN.fingerprint, 'hex').toString('base64url') },
  })
  const athOfBoth = hash('sha256', both, 'base64url')
  for (const [state, certificate] of [
    ['a proof, bound to a certificate as well, with it', OWN],
    ['a proof, bound to a certificate as well, with another', OTHER],
    ['a proof, bound to a certificate as well, without one', undefined],
  ] as const) {
    withProof(state, () => prove({ ath: athOfBoth }), {
      headers: { authorization: `DPoP ${both}` },
      peer: { ...TLS, certificate },
    })
  }
  withProof('no proof, bound to a certificate as well, with it', () => undefined, {
    headers: { authorization: `DPoP ${both}` },
    peer: { ...TLS, certificate: OWN },
  })
  // Used here, so that it is a replay in the table.
  assert.equal(
    (await direct.call('/private', { headers: { authorization, dpop: once } })).status,
    200,
  )
}

function jwkOf(key: KeyObject): object {
  return createPublicKey(key).export({ format: 'jwk' })
}

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function basic(text: string): string {
  return `Basic ${Buffer.from(text).toString('base64')}`
}

/** Other bits in the middle, where each of them counts. */
function turned(text: string): string {
  return `${text.slice(0, 40)}${text[40] === 'A' ? 'B' : 'A'}${text.slice(41)}`
}
