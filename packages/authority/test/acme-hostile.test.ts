import assert from 'node:assert/strict'
import { createHmac, randomBytes } from 'node:crypto'
import { before, describe, it } from 'node:test'
import { createAcme } from '@countersign/authority'
import { scrubProcess } from '@countersign/testkit'
import { type Answer, Driver, type DriverKey, driverKey, ORIGIN } from './acme-driver.ts'
import { registered, suiteAcme } from './acme-fixture.ts'
import { refuse } from './acme-rows.ts'

scrubProcess()

const HOUR = 3_600_000

let now = new Date('2030-01-02T00:00:00Z')
const suite = suiteAcme({ acme: { clock: () => now } })
let driver: Driver
let other: Driver

const order = { identifiers: [{ type: 'dns', value: 'a.test' }] }
const withHeader = (header: Record<string, unknown>) => () =>
  driver.post('/new-order', order, { header })
const sent = (change: (jws: Record<string, unknown>) => unknown) => () =>
  driver.post('/new-order', order, { sent: (jws) => change({ ...jws }) })

async function replayed(): Promise<Answer> {
  const nonce = await driver.nonce()
  const first = await driver.post('/new-order', order, { header: { nonce } })
  assert.equal(first.status, 201)
  return await driver.post('/new-order', order, { header: { nonce } })
}
async function replayedElsewhere(): Promise<Answer> {
  const nonce = await driver.nonce()
  await driver.post('/new-order', order, { header: { nonce } })
  await using second = await createAcme(suite.current.options)
  const there = new Driver(second, driver.key)
  there.kid = driver.kid
  return await there.post('/new-order', order, { header: { nonce } })
}
async function stale(): Promise<Answer> {
  const nonce = await driver.nonce()
  now = new Date(now.getTime() + 2 * HOUR)
  driver.forgetNonce()
  return await driver.post('/new-order', order, { header: { nonce } })
}
async function fromTheFuture(): Promise<Answer> {
  const nonce = await driver.nonce()
  const later = now
  now = new Date(now.getTime() - 24 * HOUR)
  try {
    return await driver.post('/new-order', order, { header: { nonce } })
  } finally {
    now = later
    driver.forgetNonce()
  }
}
async function spent(): Promise<Answer> {
  // Of many that use one nonce at once, one gets through.
  const nonce = await driver.nonce()
  const answers = await Promise.all(
    Array.from({ length: 6 }, () => driver.post('/new-order', order, { header: { nonce } })),
  )
  assert.equal(answers.filter(({ status }) => status === 201).length, 1)
  const [refused] = answers.filter(({ status }) => status !== 201)
  assert.ok(refused)
  return refused
}
async function altered(): Promise<Answer> {
  const bytes = Buffer.from(await driver.nonce(), 'base64url')
  bytes[3] = (bytes[3] ?? 0) ^ 1
  return await withHeader({ nonce: bytes.toString('base64url') })()
}

const hmacWithPublicKey = () =>
  driver.post('/new-order', order, {
    header: { alg: 'HS256' },
    sent: (jws) => ({
      ...jws,
      signature: createHmac('sha256', JSON.stringify(driver.key.jwk))
        .update(`${jws.protected}.${jws.payload}`)
        .digest('base64url'),
    }),
  })
const bySomebodyElse = () => {
  const forger = new Driver(suite.current.acme, other.key)
  forger.kid = driver.kid
  return forger.post('/new-order', order)
}
const rsaSaidToBePss = async (): Promise<Answer> => {
  const rsa = new Driver(suite.current.acme, driverKey('rsa'))
  return await rsa.post('/new-account', {}, { header: { alg: 'PS256' } })
}

const stranger = (): Driver => new Driver(suite.current.acme)
const keyOf = (jwk: object): (() => Promise<Answer>) => {
  return () => stranger().post('/new-account', {}, { header: { jwk } })
}
const weak = (key: DriverKey) => () => new Driver(suite.current.acme, key).register()
const p256 = driverKey().jwk

describe('ACME, requests of somebody hostile', () => {
  before(async () => {
    driver = await registered(suite.current)
    other = await registered(suite.current)
  })

  describe('refuses nonces', () => {
    refuse([
      ['one that was used', replayed, 'badNonce'],
      ['one that was used in another process', replayedElsewhere, 'badNonce'],
      ['one that many use at once', spent, 'badNonce'],
      ['one that is too old', stale, 'badNonce'],
      ['one from before the clock was set back', fromTheFuture, 'badNonce'],
      ['one whose time was altered', altered, 'badNonce'],
      [
        'one of another server',
        withHeader({ nonce: randomBytes(32).toString('base64url') }),
        'badNonce',
      ],
      ['one that is none', withHeader({ nonce: 'hello' }), 'badNonce'],
      ['one in another spelling', withHeader({ nonce: `${'A'.repeat(42)}=` }), 'badNonce'],
      ['one that is empty', withHeader({ nonce: '' }), 'badNonce'],
      ['one that is a number', withHeader({ nonce: 7 }), 'malformed'],
      ['none at all', withHeader({ nonce: undefined }), 'badNonce'],
    ])
  })

  describe('refuses signatures', () => {
    refuse([
      ['alg none', withHeader({ alg: 'none' }), 'badSignatureAlgorithm'],
      ['alg none without a signature', sent((jws) => ({ ...jws, signature: '' })), 'malformed'],
      ['alg HS256 with the public key as its secret', hmacWithPublicKey, 'badSignatureAlgorithm'],
      ['alg of another curve', withHeader({ alg: 'ES384' }), 'badSignatureAlgorithm'],
      ['alg RS256 for an elliptic curve', withHeader({ alg: 'RS256' }), 'badSignatureAlgorithm'],
      ['alg PS256', rsaSaidToBePss, 'badSignatureAlgorithm'],
      ['alg of ES256K', withHeader({ alg: 'ES256K' }), 'badSignatureAlgorithm'],
      ['alg missing', withHeader({ alg: undefined }), 'malformed'],
      ['alg a list', withHeader({ alg: ['ES256'] }), 'malformed'],
      ['a signature of another key', bySomebodyElse, 'malformed'],
      [
        'a signature of zeros',
        sent((jws) => ({ ...jws, signature: Buffer.alloc(64).toString('base64url') })),
        'malformed',
      ],
      [
        'a payload that was changed',
        sent((jws) => ({ ...jws, payload: Buffer.from('{}').toString('base64url') })),
        'malformed',
      ],
      [
        'a header that was changed',
        sent((jws) => ({
          ...jws,
          protected: Buffer.from(
            Buffer.from(String(jws['protected']), 'base64url')
              .toString()
              .replace('ES256', 'ES256"  ,"x":"'),
          ).toString('base64url'),
        })),
        'malformed',
      ],
      [
        'two signatures',
        sent((jws) => ({ payload: jws['payload'], signatures: [jws, jws] })),
        'malformed',
      ],
      ['both forms at once', sent((jws) => ({ ...jws, signatures: [] })), 'malformed'],
      ['an unprotected header', sent((jws) => ({ ...jws, header: { alg: 'ES256' } })), 'malformed'],
      ['a member nobody knows', sent((jws) => ({ ...jws, more: 1 })), 'malformed'],
      ['no payload', sent(({ payload: _payload, ...jws }) => jws), 'malformed'],
      [
        'a signature with padding',
        sent((jws) => ({ ...jws, signature: `${String(jws['signature'])}==` })),
        'malformed',
      ],
      ['the compact form', sent((jws) => Object.values(jws).join('.')), 'malformed'],
      ['no JSON', sent(() => 'hello'), 'malformed'],
      ['an array', sent((jws) => [jws]), 'malformed'],
      ['null', sent(() => null), 'malformed'],
      ['crit', withHeader({ crit: ['exp'], exp: 1 }), 'malformed'],
      ['b64 false', withHeader({ b64: false, crit: ['b64'] }), 'malformed'],
      ['zip', withHeader({ zip: 'DEF' }), 'malformed'],
    ])
  })

  describe('refuses who asks', () => {
    refuse([
      ['jwk and kid', withHeader({ jwk: p256 }), 'malformed'],
      ['neither jwk nor kid', withHeader({ kid: undefined }), 'malformed'],
      [
        'kid of an account that is not there',
        withHeader({ kid: `${ORIGIN}/acme/account/nobody` }),
        'accountDoesNotExist',
      ],
      [
        'kid of another server',
        withHeader({ kid: 'https://elsewhere.test/acme/account/1' }),
        'accountDoesNotExist',
      ],
      ['kid that is no URL', withHeader({ kid: "' or 1=1 --" }), 'accountDoesNotExist'],
      [
        'kid that climbs',
        withHeader({ kid: `${ORIGIN}/acme/account/../account/x` }),
        'accountDoesNotExist',
      ],
      ['kid that is an object', withHeader({ kid: {} }), 'malformed'],
      [
        'kid of somebody else',
        () => driver.post('/new-order', order, { header: { kid: other.kid } }),
        'malformed',
      ],
      [
        'jwk where an account is asked for',
        () => stranger().post('/new-order', order),
        'malformed',
      ],
      ['kid where a key is asked for', () => driver.post('/new-account', {}), 'malformed'],
      ['another url', withHeader({ url: `${ORIGIN}/acme/new-account` }), 'malformed'],
      [
        'the url of another server',
        withHeader({ url: 'https://elsewhere.test/acme/new-order' }),
        'malformed',
      ],
      ['the url with a query', withHeader({ url: `${ORIGIN}/acme/new-order?x` }), 'malformed'],
      ['no url', withHeader({ url: undefined }), 'malformed'],
      ['a jwk with its private key', keyOf({ ...p256, d: 'AAAA' }), 'malformed'],
      ['a symmetric jwk', keyOf({ kty: 'oct', k: 'AAAA' }), 'malformed'],
      ['a jwk of a curve nobody knows', keyOf({ ...p256, crv: 'secp256k1' }), 'badPublicKey'],
      ['a jwk off its curve', keyOf({ ...p256, x: p256['y'] }), 'badPublicKey'],
      ['a jwk in another spelling', keyOf({ ...p256, x: `${p256['x']}=` }), 'badPublicKey'],
      ['a jwk with half of its members', keyOf({ kty: 'EC', crv: 'P-256' }), 'malformed'],
      ['a jwk that is a text', keyOf(Object('text')), 'malformed'],
      ['a key of 1024 bits', weak(driverKey('rsa1024')), 'badPublicKey'],
      [
        'a key with a long exponent',
        keyOf({ kty: 'RSA', n: 'A'.repeat(342), e: 'A'.repeat(300) }),
        'badPublicKey',
      ],
      [
        'a modulus of 100,000 bits',
        keyOf({ kty: 'RSA', n: 'A'.repeat(16_000), e: 'AQAB' }),
        'malformed',
      ],
      [
        'another type of content',
        () => driver.post('/new-order', order, { contentType: 'application/json' }),
        'malformed',
        415,
      ],
      [
        'a body of 100 KiB',
        sent((jws) => ({ ...jws, payload: 'A'.repeat(100_000) })),
        'malformed',
        413,
      ],
      ['GET of an order', () => driver.get('/order/x'), 'malformed', 405],
      ['GET of what is not there', () => driver.get('/anything'), 'malformed', 404],
    ])
  })

  it('told nobody of faults of its own', () => {
    assert.deepEqual(suite.current.faults, [])
  })
})
