import assert from 'node:assert/strict'
import { constants, sign } from 'node:crypto'
import { describe, it } from 'node:test'
import {
  createJwtVerifier,
  type FetchKeys,
  type JwtFault,
  type JwtVerifier,
} from '@countersign/auth'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import {
  AUDIENCE,
  CLAIMS,
  forge,
  HEADER,
  ISSUER,
  jwk,
  JWKS,
  KEYS,
  NOW,
  signer,
  STRANGER,
  token,
} from './jwt-forge.ts'

scrubProcess()

const BASE = { issuer: ISSUER, audience: AUDIENCE }
const JWKS_URI = `${ISSUER}/.well-known/jwks.json`

async function outcome(verifier: JwtVerifier, text: string): Promise<JwtFault | 'accepted'> {
  const verdict = await verifier.verify(text)
  return verdict.ok ? 'accepted' : verdict.code
}

/** An issuer's address: what it answers, and how often it was asked. */
interface Issuer {
  answer: () => Response | Promise<Response>
  asked: number
  fetch: FetchKeys
  verifier: JwtVerifier
  pass(seconds: number): void
}

function issuer(answer: () => Response | Promise<Response>): Issuer {
  let now = NOW * 1000
  const made: Omit<Issuer, 'verifier'> = {
    answer,
    asked: 0,
    fetch: async (url, init) => {
      assert.equal(url, JWKS_URI)
      assert.equal(init.redirect, 'error')
      made.asked += 1
      return await made.answer()
    },
    pass: (seconds) => {
      now += seconds * 1000
    },
  }
  const verifier = createJwtVerifier({
    ...BASE,
    jwksUri: JWKS_URI,
    fetch: (url, init) => made.fetch(url, init),
    clock: () => new Date(now),
    cacheMs: 0,
    clockToleranceSeconds: 300,
  })
  return Object.assign(made, { verifier })
}

const longLived = (header: object = {}): string => token({ exp: NOW + 864_000 }, header)
const SECOND = jwk(STRANGER, { kid: 'second', alg: 'ES256' })
const bySecond = forge(
  { ...HEADER, kid: 'second' },
  { ...CLAIMS, exp: NOW + 864_000 },
  signer(STRANGER),
)

function clock(): Date {
  return new Date(NOW * 1000)
}

function base64(...list: { der: Uint8Array }[]): string[] {
  return list.map(({ der }) => Buffer.from(der).toString('base64'))
}

/** A body that never ends. */
function endless(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull: (controller) => {
      controller.enqueue(new Uint8Array(65_536).fill(0x20))
    },
  })
}

describe('keys behind an address', () => {
  it('are fetched once for many tokens at once, and kept for as long as the answer says', async () => {
    const source = issuer(() =>
      Response.json(JWKS, { headers: { 'cache-control': 'public, max-age=300' } }),
    )
    const verdicts = await Promise.all(
      Array.from({ length: 20 }, () => outcome(source.verifier, longLived())),
    )
    assert.ok(verdicts.every((verdict) => verdict === 'accepted'))
    assert.equal(source.asked, 1)
    source.pass(299)
    assert.equal(await outcome(source.verifier, longLived()), 'accepted')
    assert.equal(source.asked, 1)
    source.pass(1)
    assert.equal(await outcome(source.verifier, longLived()), 'accepted')
    assert.equal(source.asked, 2)
  })

  it('are fetched again for a name that is new, at most twice a minute whoever asks', async () => {
    const source = issuer(() => Response.json(JWKS))
    assert.equal(await outcome(source.verifier, longLived()), 'accepted')
    for (let count = 0; count < 10; count++) {
      assert.equal(
        await outcome(source.verifier, longLived({ kid: `guess-${count}` })),
        'key-unknown',
      )
    }
    assert.equal(source.asked, 1, 'fetched a moment ago')
    source.pass(30)
    source.answer = () => Response.json({ keys: [...JWKS.keys, SECOND] })
    assert.equal(await outcome(source.verifier, bySecond), 'accepted', 'rotated')
    assert.equal(source.asked, 2)
    assert.equal(await outcome(source.verifier, longLived()), 'accepted')
    assert.equal(source.asked, 2)
  })

  it('serve an hour longer where no others can be fetched, and a key that was taken out is none', async () => {
    const source = issuer(() => Response.json(JWKS, { headers: { 'cache-control': 'max-age=60' } }))
    assert.equal(await outcome(source.verifier, longLived()), 'accepted')
    source.answer = () => new Response('away', { status: 503 })
    source.pass(61)
    assert.equal(await outcome(source.verifier, longLived()), 'accepted')
    assert.equal(await outcome(source.verifier, longLived()), 'accepted')
    assert.equal(source.asked, 2, 'a pause after the one that failed')
    source.pass(3600)
    const late = await source.verifier.verify(longLived())
    assert.ok(!late.ok)
    assert.equal(late.code, 'keys-unavailable')
    assert.match(late.message, /the answer was 503/)
    source.pass(2)
    source.answer = () => Response.json({ keys: [SECOND] })
    assert.equal(await outcome(source.verifier, longLived()), 'key-unknown')
    assert.equal(await outcome(source.verifier, bySecond), 'accepted')
  })

  it('are not taken from an answer that is no set, is too large, never ends or does not come', async () => {
    const rows: [string, () => Response | Promise<Response>][] = [
      ['HTML', () => new Response('<html>')],
      ['a list', () => Response.json([])],
      ['no keys', () => Response.json({})],
      ['keys that are no list', () => Response.json({ keys: { 0: SECOND } })],
      ['an empty list', () => Response.json({ keys: [] })],
      ['only a private key', () => Response.json({ keys: [STRANGER.export({ format: 'jwk' })] })],
      ['keys twice', () => new Response(`{"keys":[],"keys":${JSON.stringify(JWKS.keys)}}`)],
      ['too many keys', () => Response.json({ keys: Array.from({ length: 101 }, () => SECOND) })],
      ['spaces without end', () => new Response(endless())],
      ['404', () => Response.json(JWKS, { status: 404 })],
      ['201', () => Response.json(JWKS, { status: 201 })],
      ['no answer', async () => Promise.reject(new Error('connection refused'))],
    ]
    for (const [name, answer] of rows) {
      assert.equal(await outcome(issuer(answer).verifier, longLived()), 'keys-unavailable', name)
    }
  })

  it('are given up on after five seconds, by a signal that the fetch is handed', async () => {
    const signals: AbortSignal[] = []
    const verifier = createJwtVerifier({
      ...BASE,
      jwksUri: JWKS_URI,
      fetch: async (_url, { signal }) => {
        signals.push(signal)
        throw new Error('as if it were over')
      },
    })
    assert.equal(await outcome(verifier, longLived()), 'keys-unavailable')
    assert.equal(signals.length, 1)
    assert.equal(signals[0]?.aborted, false)
  })
})

describe('keys from certificates that tokens bring', () => {
  const authority = testAuthority({ now: new Date(NOW * 1000) })
  const identity = authority.issue({ names: ['issuer.test'] })
  const chain = [identity.certificate, authority.issuer].map(({ der }) =>
    Buffer.from(der).toString('base64'),
  )
  const certificates = { roots: [authority.root], name: { dns: 'issuer.test' } }
  const signed = (x5c: unknown, key = identity.key.keyObject): string =>
    forge({ alg: 'ES256', typ: 'at+jwt', x5c }, CLAIMS, signer(key))

  it('are taken where the chain leads to the roots and bears the name', async () => {
    const verifier = createJwtVerifier({ ...BASE, certificates, clock })
    assert.equal(await outcome(verifier, signed(chain)), 'accepted')
    const beside = createJwtVerifier({ ...BASE, certificates, jwks: JWKS, clock })
    assert.equal(await outcome(beside, token()), 'accepted')
    assert.equal(await outcome(beside, signed(chain)), 'accepted')
    assert.equal(await outcome(verifier, token()), 'key-unknown')
  })

  it('are refused in every other case', async () => {
    const stranger = testAuthority({ now: clock() })
    const theirs = stranger.issue({ names: ['issuer.test'] })
    const other = authority.issue({ names: ['other.test'] })
    const old = authority.issue({ names: ['issuer.test'], notAfter: new Date(NOW * 1000 - 1000) })
    const p384 = authority.issue({ names: ['issuer.test'], keyType: 'p384' })
    const verifier = createJwtVerifier({ ...BASE, certificates, clock })
    const rows: [string, string, JwtFault][] = [
      [
        'of another authority',
        signed(base64(theirs.certificate, stranger.issuer), theirs.key.keyObject),
        'certificate-refused',
      ],
      [
        'of another name',
        signed(base64(other.certificate, authority.issuer), other.key.keyObject),
        'certificate-refused',
      ],
      [
        'that has ended',
        signed(base64(old.certificate, authority.issuer), old.key.keyObject),
        'certificate-refused',
      ],
      [
        'for another algorithm',
        signed(base64(p384.certificate, authority.issuer), p384.key.keyObject),
        'certificate-refused',
      ],
      ['without the issuer', signed(base64(identity.certificate)), 'certificate-refused'],
      ['of a key that did not sign', signed(chain, STRANGER), 'signature-invalid'],
      ['empty', signed([]), 'certificate-refused'],
      ['that are a text', signed(chain[0]), 'certificate-refused'],
      ['that are no certificates', signed(['AAAA']), 'certificate-refused'],
      [
        'with a line break in the base64',
        signed([`${chain[0]}\n`, chain[1]]),
        'certificate-refused',
      ],
      ['seven of them', signed(Array.from({ length: 7 }, () => chain[1])), 'certificate-refused'],
    ]
    for (const [name, text, code] of rows) assert.equal(await outcome(verifier, text), code, name)
    const revoking = createJwtVerifier({
      ...BASE,
      certificates: { ...certificates, crls: [authority.crl({ revoked: [identity.certificate] })] },
      clock,
    })
    assert.equal(await outcome(revoking, signed(chain)), 'certificate-refused', 'revoked')
  })
})

describe('an RSA key', () => {
  it('is used in the one way it is published for', async () => {
    const keys = [jwk(KEYS.RS256.publicKey, { kid: 'rsa', alg: 'PS256' })]
    const algorithms = ['RS256', 'PS256'] as const
    const verifier = createJwtVerifier({ ...BASE, jwks: { keys }, algorithms, clock })
    const key = KEYS.RS256.privateKey
    const pss = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
    const header = { ...HEADER, kid: 'rsa', alg: 'PS256' }
    const good = forge(header, CLAIMS, (signed) => sign('sha256', signed, pss))
    assert.equal(await outcome(verifier, good), 'accepted')
    const other = forge({ ...header, alg: 'RS256' }, CLAIMS, (signed) =>
      sign('sha256', signed, key),
    )
    assert.equal(await outcome(verifier, other), 'algorithm-refused')
    const salt = forge(header, CLAIMS, (signed) =>
      sign('sha256', signed, { ...pss, saltLength: 20 }),
    )
    assert.equal(await outcome(verifier, salt), 'signature-invalid')
  })
})
