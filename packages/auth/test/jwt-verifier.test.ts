import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { describe, it } from 'node:test'
import {
  createJwtVerifier,
  type JwtFault,
  type JwtVerdict,
  type JwtVerifier,
  type JwtVerifierOptions,
} from '@countersign/auth'
import { scrubProcess } from '@countersign/testkit'
import {
  AUDIENCE,
  base64url,
  CLAIMS,
  forge,
  HEADER,
  hmac,
  ISSUER,
  jwk,
  JWKS,
  KEYS,
  NOW,
  partsOf,
  resigned,
  signer,
  STRANGER,
  token,
} from './jwt-forge.ts'

scrubProcess()

const clock = (): Date => new Date(NOW * 1000)
const BASE = { issuer: ISSUER, audience: AUDIENCE, jwks: JWKS, clock }

function verifier(options: Partial<JwtVerifierOptions> = {}): JwtVerifier {
  return createJwtVerifier({ ...BASE, ...options })
}

/** What a verdict says in one word. */
async function outcome(
  text: string,
  options: Partial<JwtVerifierOptions> = {},
): Promise<JwtFault | 'accepted'> {
  const verdict = await verifier(options).verify(text)
  return verdict.ok ? 'accepted' : verdict.code
}

/** The header and claims written by hand, so that JSON.stringify does not tidy them. */
const CLAIMS_TEXT = JSON.stringify(CLAIMS)
const withMember = (member: string): string => `{${member},${CLAIMS_TEXT.slice(1)}`
const publicPem = KEYS.ES256.publicKey.export({ format: 'pem', type: 'spki' }).toString()
const publicDer = KEYS.ES256.publicKey.export({ format: 'der', type: 'spki' })
const good = token()
const { signature } = partsOf(good)
const ORDER = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551')
const bytes32 = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(64, '0'), 'hex')
const zeros = Buffer.alloc(32)
const r = signature.subarray(0, 32)
const s = signature.subarray(32)
const strangerJwk = jwk(STRANGER, { kid: 'ES256', alg: 'ES256' })
const without = (name: keyof typeof CLAIMS): object => {
  const { [name]: _, ...rest } = CLAIMS
  return rest
}

type Row = readonly [name: string, text: string, expected: JwtFault | 'accepted']

const ROWS: readonly Row[] = [
  ['a good token', good, 'accepted'],
  // The text
  ['nothing', '', 'malformed'],
  ['two dots', '..', 'malformed'],
  ['four dots: an encrypted token (JWE)', `${good}.AA.AA`, 'malformed'],
  ['one dot', good.slice(0, good.lastIndexOf('.')), 'malformed'],
  [
    'no signature (CVE-2015-9235, "none" by cutting off)',
    `${good.slice(0, good.lastIndexOf('.'))}.`,
    'malformed',
  ],
  ['no header', good.slice(good.indexOf('.')), 'malformed'],
  ['no claims', good.replace(/\.[^.]+\./, '..'), 'malformed'],
  ['one character over 8 KiB', token({ pad: 'x'.repeat(9000) }), 'too-large'],
  ['a megabyte', 'a'.repeat(1_000_000), 'too-large'],
  ['a space before it', ` ${good}`, 'not-canonical'],
  ['a line break after it', `${good}\n`, 'not-canonical'],
  ['Bearer before it', `Bearer ${good}`, 'not-canonical'],
  ['padding after the signature', `${good}==`, 'not-canonical'],
  ['padding after the header', good.replace('.', '=.'), 'not-canonical'],
  [
    'the other alphabet',
    resigned(good, Buffer.alloc(64, 0xff).toString('base64').replaceAll('=', '')),
    'not-canonical',
  ],
  [
    'bits left over in the last character of the signature',
    resigned(good, `${base64url(signature).slice(0, -1)}${leftOver(base64url(signature))}`),
    'not-canonical',
  ],
  ['a length that stands for no bytes', resigned(good, 'AAAAA'), 'not-canonical'],
  ['a NUL in it', `${good.slice(0, 20)}\0${good.slice(20)}`, 'not-canonical'],
  ['a letter beyond ASCII', `${good.slice(0, 20)}é${good.slice(20)}`, 'not-canonical'],
  [
    "a line break in the middle, which Node's decoder skips",
    `${good.slice(0, 10)}\n${good.slice(10)}`,
    'not-canonical',
  ],
  // JSON
  ['a header that is no JSON', forge('{alg:ES256}', CLAIMS), 'malformed'],
  ['a header that is a list', forge('["ES256"]', CLAIMS), 'malformed'],
  ['a header that is null', forge('null', CLAIMS), 'malformed'],
  ['claims that are a text', forge(HEADER, '"claims"'), 'malformed'],
  ['claims that are null', forge(HEADER, 'null'), 'malformed'],
  ['claims with data behind them', forge(HEADER, `${CLAIMS_TEXT}{}`), 'malformed'],
  ['claims with a comma too many', forge(HEADER, `${CLAIMS_TEXT.slice(0, -1)},}`), 'malformed'],
  ['claims with a comment', forge(HEADER, `/* */${CLAIMS_TEXT}`), 'malformed'],
  ['claims after a byte order mark', forge(HEADER, `\uFEFF${CLAIMS_TEXT}`), 'malformed'],
  ['claims in UTF-16', forgeBytes(Buffer.from(CLAIMS_TEXT, 'utf16le')), 'malformed'],
  [
    'claims with broken UTF-8',
    forgeBytes(
      Buffer.concat([
        Buffer.from('{"x":"'),
        Buffer.from([0xc3, 0x28]),
        Buffer.from(`",${CLAIMS_TEXT.slice(1)}`),
      ]),
    ),
    'malformed',
  ],
  [
    'claims nested a thousand deep',
    forge(HEADER, withMember(`"x":${'['.repeat(1000)}${']'.repeat(1000)}`)),
    'malformed',
  ],
  [
    'exp twice, the first one good',
    forge(HEADER, withMember(`"exp":${NOW + 300}`)),
    'duplicate-member',
  ],
  [
    'iss twice, once by an escape',
    forge(HEADER, withMember(String.raw`"\u0069ss":"https://other.test"`)),
    'duplicate-member',
  ],
  [
    'alg twice',
    forge(`{"alg":"none",${JSON.stringify(HEADER).slice(1)}`, CLAIMS),
    'duplicate-member',
  ],
  [
    'a member twice inside a claim',
    forge(HEADER, withMember('"cnf":{"jkt":"a","jkt":"b"}')),
    'duplicate-member',
  ],
  ['a colon inside a text is no member', token({ note: 'a:b "c": {d:e} \\":\\' }), 'accepted'],
  [
    '__proto__ as a claim changes nothing',
    forge(HEADER, withMember('"__proto__":{"admin":true}')),
    'accepted',
  ],
  [
    'iss inside __proto__ is no iss',
    forge(HEADER, `{"__proto__":{"iss":"${ISSUER}"},${JSON.stringify(without('iss')).slice(1)}`),
    'claim-missing',
  ],
  // The header
  ['alg none (CVE-2015-9235)', forge({ ...HEADER, alg: 'none' }, CLAIMS), 'algorithm-refused'],
  ['alg NONE', forge({ ...HEADER, alg: 'NONE' }, CLAIMS), 'algorithm-refused'],
  [
    'alg nOnE and no signature',
    `${forge({ ...HEADER, alg: 'nOnE' }, CLAIMS).replace(/\.[^.]*$/, '')}.`,
    'malformed',
  ],
  [
    'alg none with a key of ours and one byte for a signature',
    forge({ ...HEADER, alg: 'none' }, CLAIMS, () => Buffer.from([0])),
    'algorithm-refused',
  ],
  ['no alg', forge({ typ: 'at+jwt', kid: 'ES256' }, CLAIMS), 'algorithm-refused'],
  ['alg as a list', forge({ ...HEADER, alg: ['ES256'] }, CLAIMS), 'algorithm-refused'],
  ['alg in another case', token({}, { alg: 'es256' }), 'algorithm-refused'],
  [
    'HS256 with our public key in PEM for a secret (CVE-2022-29217 PyJWT, CVE-2023-48223 fast-jwt)',
    forge({ ...HEADER, alg: 'HS256' }, CLAIMS, hmac(publicPem)),
    'algorithm-refused',
  ],
  [
    'the same with white space before the PEM (CVE-2026-34950 fast-jwt)',
    forge({ ...HEADER, alg: 'HS256' }, CLAIMS, hmac(`\n${publicPem}`)),
    'algorithm-refused',
  ],
  [
    'HS256 with our public key in DER (CVE-2026-22817 hono)',
    forge({ ...HEADER, alg: 'HS256' }, CLAIMS, hmac(publicDer)),
    'algorithm-refused',
  ],
  [
    'HS256 with an empty key (GHSA-gmvf fast-jwt)',
    forge({ ...HEADER, alg: 'HS256' }, CLAIMS, hmac('')),
    'algorithm-refused',
  ],
  [
    'an algorithm of ours that is not allowed here',
    forge({ ...HEADER, alg: 'EdDSA', kid: 'EdDSA' }, CLAIMS, (signed) =>
      sign(null, signed, KEYS.EdDSA.privateKey),
    ),
    'algorithm-refused',
  ],
  ['ES256K', token({}, { alg: 'ES256K' }), 'algorithm-refused'],
  ['an algorithm for encryption', token({}, { alg: 'RSA-OAEP' }), 'algorithm-refused'],
  [
    'crit with what nobody knows (GHSA-752w PyJWT, GHSA-hm7r fast-jwt)',
    token({}, { crit: ['exp'] }),
    'critical-header',
  ],
  ['crit that is empty', token({}, { crit: [] }), 'critical-header'],
  ['crit that is null', token({}, { crit: null }), 'critical-header'],
  ['crit with b64 (RFC 7797)', token({}, { b64: false, crit: ['b64'] }), 'critical-header'],
  ['b64 false', token({}, { b64: false }), 'unencoded-payload'],
  ['b64 true', token({}, { b64: true }), 'unencoded-payload'],
  ['typ JWT: an ID token (RFC 8725 §3.11)', token({}, { typ: 'JWT' }), 'type-refused'],
  ['typ dpop+jwt', token({}, { typ: 'dpop+jwt' }), 'type-refused'],
  ['no typ', forge({ alg: 'ES256', kid: 'ES256' }, CLAIMS), 'type-refused'],
  ['typ that is no text', token({}, { typ: ['at+jwt'] }), 'type-refused'],
  ['typ application/at+jwt is the same type', token({}, { typ: 'application/at+jwt' }), 'accepted'],
  ['typ AT+JWT is the same type', token({}, { typ: 'AT+JWT' }), 'accepted'],
  ['typ text/at+jwt is another', token({}, { typ: 'text/at+jwt' }), 'type-refused'],
  ['a token within a token (cty)', forge(HEADER, good), 'malformed'],
  // The key
  [
    'a key of its own in the header (jwk)',
    forge({ ...HEADER, jwk: strangerJwk }, CLAIMS, signer(STRANGER)),
    'signature-invalid',
  ],
  [
    'an address of keys in the header (jku)',
    forge({ ...HEADER, jku: 'https://attacker.test/jwks.json' }, CLAIMS, signer(STRANGER)),
    'signature-invalid',
  ],
  [
    'an address of a certificate (x5u)',
    forge({ ...HEADER, x5u: 'https://attacker.test/leaf.pem' }, CLAIMS, signer(STRANGER)),
    'signature-invalid',
  ],
  [
    'a certificate of its own where none is asked for (x5c)',
    forge({ ...HEADER, x5c: ['AAAA'] }, CLAIMS, signer(STRANGER)),
    'signature-invalid',
  ],
  [
    'jku, x5u and jwk beside a good signature are not looked at',
    token({}, { jku: 'https://attacker.test', x5u: 'https://attacker.test', jwk: strangerJwk }),
    'accepted',
  ],
  ['kid of nobody', token({}, { kid: 'other' }), 'key-unknown'],
  ['kid as SQL', token({}, { kid: "' UNION SELECT 'secret' --" }), 'key-unknown'],
  ['kid as a path', token({}, { kid: '../../../../dev/null' }), 'key-unknown'],
  ['kid as a command', token({}, { kid: '| id' }), 'key-unknown'],
  ["kid of an object's own", token({}, { kid: '__proto__' }), 'key-unknown'],
  ['kid empty', token({}, { kid: '' }), 'malformed'],
  ['kid a number', token({}, { kid: 1 }), 'malformed'],
  ['kid an object', token({}, { kid: { toString: 'ES256' } }), 'malformed'],
  ['kid of 300 characters', token({}, { kid: 'k'.repeat(300) }), 'malformed'],
  ['kid of a key for another algorithm', token({}, { kid: 'RS256' }), 'key-unknown'],
  ['no kid, and one key that fits', forge({ alg: 'ES256', typ: 'at+jwt' }, CLAIMS), 'accepted'],
  // The signature
  ['signed by a stranger', forge(HEADER, CLAIMS, signer(STRANGER)), 'signature-invalid'],
  ['r = s = 0 (CVE-2022-21449)', resigned(good, Buffer.alloc(64)), 'signature-invalid'],
  ['r = 0', resigned(good, Buffer.concat([zeros, s])), 'signature-invalid'],
  ['s = 0', resigned(good, Buffer.concat([r, zeros])), 'signature-invalid'],
  ['r = n', resigned(good, Buffer.concat([bytes32(ORDER), s])), 'signature-invalid'],
  ['s = n', resigned(good, Buffer.concat([r, bytes32(ORDER)])), 'signature-invalid'],
  ['r = s = 2^256 - 1', resigned(good, Buffer.alloc(64, 0xff)), 'signature-invalid'],
  [
    's + n does not fit, and the largest s is refused',
    resigned(good, Buffer.concat([r, bytes32(ORDER - 1n)])),
    'signature-invalid',
  ],
  ['r and s exchanged', resigned(good, Buffer.concat([s, r])), 'signature-invalid'],
  [
    'the twin with n - s is as good a signature; tokens are denied by jti',
    resigned(good, Buffer.concat([r, bytes32(ORDER - BigInt(`0x${s.toString('hex')}`))])),
    'accepted',
  ],
  [
    'a signature in DER',
    forge(HEADER, CLAIMS, (signed) => sign('sha256', signed, KEYS.ES256.privateKey)),
    'signature-invalid',
  ],
  ['cut short by a byte', resigned(good, signature.subarray(0, 63)), 'signature-invalid'],
  [
    'a byte too many',
    resigned(good, Buffer.concat([signature, Buffer.alloc(1)])),
    'signature-invalid',
  ],
  ['of one byte', resigned(good, Buffer.from([1])), 'signature-invalid'],
  [
    'one bit turned',
    resigned(good, Buffer.concat([Buffer.from([(signature[0] ?? 0) ^ 1]), signature.subarray(1)])),
    'signature-invalid',
  ],
  [
    'over SHA-512',
    forge(HEADER, CLAIMS, (signed) =>
      sign('sha512', signed, { key: KEYS.ES256.privateKey, dsaEncoding: 'ieee-p1363' }),
    ),
    'signature-invalid',
  ],
  ['of another token', resigned(token({ jti: 'token-2' }), signature), 'signature-invalid'],
  [
    'the claims changed',
    good.replace(/\.[^.]+\./, `.${base64url(JSON.stringify({ ...CLAIMS, sub: 'root' }))}.`),
    'signature-invalid',
  ],
  [
    'a hash of it for a signature',
    forge(HEADER, CLAIMS, (signed) => createHash('sha512').update(signed).digest()),
    'signature-invalid',
  ],
  // Time
  ['no exp', forge(HEADER, without('exp')), 'claim-missing'],
  ['exp null', token({ exp: null }), 'claim-invalid'],
  ['exp a text', token({ exp: String(NOW + 300) }), 'claim-invalid'],
  ['exp 1e309', forge(HEADER, CLAIMS_TEXT.replace(/"exp":\d+/, '"exp":1e309')), 'claim-invalid'],
  ['exp beyond every date', token({ exp: 9e15 }), 'claim-invalid'],
  ['exp below zero', token({ exp: -1 }), 'claim-invalid'],
  ['exp true', token({ exp: true }), 'claim-invalid'],
  ['exp a list', token({ exp: [NOW + 300] }), 'claim-invalid'],
  [
    'exp in milliseconds is a date far away, and still one',
    token({ exp: (NOW + 300) * 1000 }),
    'accepted',
  ],
  ['exp 29 seconds ago', token({ exp: NOW - 29 }), 'accepted'],
  ['exp 30 seconds ago', token({ exp: NOW - 30 }), 'expired'],
  ['exp zero', token({ exp: 0 }), 'expired'],
  ['exp with a fraction', token({ exp: NOW + 0.5 }), 'accepted'],
  ['nbf in 30 seconds', token({ nbf: NOW + 30 }), 'accepted'],
  ['nbf in 31 seconds', token({ nbf: NOW + 31 }), 'not-yet-valid'],
  ['nbf a text', token({ nbf: String(NOW) }), 'claim-invalid'],
  ['nbf 1e309', forge(HEADER, CLAIMS_TEXT.replace(/"nbf":\d+/, '"nbf":1e309')), 'claim-invalid'],
  ['nbf null', token({ nbf: null }), 'claim-invalid'],
  ['iat in an hour', token({ iat: NOW + 3600 }), 'not-yet-valid'],
  ['iat a text', token({ iat: 'now' }), 'claim-invalid'],
  // Who and for whom
  ['no iss', forge(HEADER, without('iss')), 'claim-missing'],
  ['iss of another', token({ iss: 'https://other.test' }), 'issuer-mismatch'],
  [
    'iss that begins like ours (GHSA-75c5 PyJWT: a part was enough)',
    token({ iss: 'https://issuer.test.attacker.test' }),
    'issuer-mismatch',
  ],
  ['iss that is a part of ours', token({ iss: 'https://issuer' }), 'issuer-mismatch'],
  ['iss with a slash behind it', token({ iss: `${ISSUER}/` }), 'issuer-mismatch'],
  ['iss in another case', token({ iss: 'https://ISSUER.test' }), 'issuer-mismatch'],
  ['iss as a list with ours in it', token({ iss: [ISSUER] }), 'claim-invalid'],
  ['iss empty', token({ iss: '' }), 'claim-invalid'],
  ['no aud', forge(HEADER, without('aud')), 'claim-missing'],
  ['aud of another', token({ aud: 'https://other.test' }), 'audience-mismatch'],
  ['aud that is a part of ours', token({ aud: 'https://api' }), 'audience-mismatch'],
  ['aud that begins like ours', token({ aud: `${AUDIENCE}.attacker.test` }), 'audience-mismatch'],
  ['aud a list with ours', token({ aud: ['https://other.test', AUDIENCE] }), 'accepted'],
  ['aud a list without ours', token({ aud: ['https://other.test'] }), 'audience-mismatch'],
  ['aud an empty list', token({ aud: [] }), 'claim-invalid'],
  ['aud an empty text', token({ aud: '' }), 'claim-invalid'],
  ['aud a list with a number', token({ aud: [AUDIENCE, 1] }), 'claim-invalid'],
  ['aud an object', token({ aud: { 0: AUDIENCE } }), 'claim-invalid'],
  [
    'aud of a hundred',
    token({ aud: Array.from({ length: 100 }, () => AUDIENCE) }),
    'claim-invalid',
  ],
  ['no sub', forge(HEADER, without('sub')), 'claim-missing'],
  ['sub an object', token({ sub: { id: 1 } }), 'claim-invalid'],
  ['sub with half a character', token({ sub: '\ud800' }), 'claim-invalid'],
  ['sub of three kilobytes', token({ sub: 's'.repeat(3000) }), 'claim-invalid'],
  ['no jti', forge(HEADER, without('jti')), 'claim-missing'],
  ['jti a number', token({ jti: 1 }), 'claim-invalid'],
  ['no client_id', forge(HEADER, without('client_id')), 'claim-missing'],
]

describe('a token that somebody sends', () => {
  it(`is judged right in every one of ${ROWS.length} ways to write it`, async () => {
    assert.ok(ROWS.length >= 80)
    assert.equal(new Set(ROWS.map(([name]) => name)).size, ROWS.length, 'each row has a name')
    const wrong: string[] = []
    for (const [name, text, expected] of ROWS) {
      const found = await outcome(text)
      if (found !== expected) wrong.push(`${name}: ${found} instead of ${expected}`)
    }
    assert.deepEqual(wrong, [])
  })

  it('is refused without a word of it in the message', async () => {
    for (const [name, text] of ROWS) {
      const verdict = await verifier().verify(text)
      if (verdict.ok) continue
      assert.match(verdict.message, /^[a-z][^.]*[^.]$|^[a-z].*[^.]$/, name)
      for (const secret of ['attacker', 'other.test', 'root', base64url(signature)]) {
        assert.ok(!verdict.message.includes(secret), `${name}: ${verdict.message}`)
      }
    }
  })
})

describe('createJwtVerifier', () => {
  it('takes every algorithm it is told to, by the key that is for it', async () => {
    const hashes: Record<string, string | null> = {
      ES256: 'sha256',
      ES384: 'sha384',
      ES512: 'sha512',
      EdDSA: null,
      RS256: 'sha256',
      'ML-DSA-65': null,
    }
    for (const alg of ['ES256', 'ES384', 'ES512', 'EdDSA', 'RS256', 'ML-DSA-65'] as const) {
      const text = forge({ ...HEADER, alg, kid: alg }, CLAIMS, (signed) =>
        sign(hashes[alg] ?? null, signed, { key: KEYS[alg].privateKey, dsaEncoding: 'ieee-p1363' }),
      )
      assert.equal(await outcome(text, { algorithms: [alg] }), 'accepted', alg)
      assert.equal(await outcome(text, { algorithms: ['ES256', alg] }), 'accepted', alg)
      const others = { ...HEADER, alg: alg === 'ES256' ? 'ES384' : 'ES256', kid: alg }
      const confused = forge(others, CLAIMS, (signed) =>
        sign(hashes[alg] ?? null, signed, { key: KEYS[alg].privateKey, dsaEncoding: 'ieee-p1363' }),
      )
      assert.equal(
        await outcome(confused, { algorithms: ['ES256', 'ES384', alg] }),
        'algorithm-refused',
        `${alg} under another name`,
      )
    }
  })

  it('knows Ed25519 by both of its names', async () => {
    const text = forge({ ...HEADER, alg: 'Ed25519', kid: 'EdDSA' }, CLAIMS, (signed) =>
      sign(null, signed, KEYS.EdDSA.privateKey),
    )
    assert.equal(await outcome(text, { algorithms: ['EdDSA', 'Ed25519'] }), 'accepted')
    assert.equal(await outcome(text, { algorithms: ['EdDSA'] }), 'algorithm-refused')
  })

  it('takes a secret only where it is asked to, alone and long enough', async () => {
    const secret = Buffer.alloc(32, 7)
    const text = forge({ alg: 'HS256', typ: 'at+jwt' }, CLAIMS, hmac(secret))
    const alone = { jwks: undefined, secret, algorithms: ['HS256'] as const }
    assert.equal(await outcome(text, alone), 'accepted')
    const guessed = forge({ alg: 'HS256', typ: 'at+jwt' }, CLAIMS, hmac('guess'))
    assert.equal(await outcome(guessed, alone), 'signature-invalid')
    assert.equal(await outcome(resigned(text, ''), alone), 'malformed')
    assert.equal(await outcome(resigned(text, Buffer.alloc(31)), alone), 'signature-invalid')
    const refused: [Partial<JwtVerifierOptions>, string][] = [
      [{ ...alone, secret: Buffer.alloc(31) }, 'jwk-invalid'],
      [{ ...alone, secret: Buffer.alloc(0) }, 'jwk-invalid'],
      [{ ...alone, secret: Buffer.alloc(32), algorithms: ['HS512'] }, 'jwk-invalid'],
      [{ ...alone, algorithms: ['HS256', 'ES256'] }, 'option-invalid'],
      [{ ...alone, algorithms: ['ES256'] }, 'option-invalid'],
      [{ ...alone, jwks: JWKS }, 'option-invalid'],
      [{ algorithms: ['HS256'] }, 'option-invalid'],
    ]
    for (const [options, code] of refused) assert.throws(() => verifier(options), { code })
  })

  it('refuses options that would leave a gap', () => {
    const rows: [Partial<JwtVerifierOptions> & object, string][] = [
      [{ jwks: undefined }, 'option-invalid'],
      [{ issuer: '' }, 'option-invalid'],
      [{ audience: [] }, 'option-invalid'],
      [{ audience: '' }, 'option-invalid'],
      [{ audience: [AUDIENCE, ''] }, 'option-invalid'],
      [{ algorithms: [] }, 'option-invalid'],
      [{ types: [] }, 'option-invalid'],
      [{ clockToleranceSeconds: 301 }, 'option-invalid'],
      [{ clockToleranceSeconds: Number.NaN }, 'option-invalid'],
      [{ cacheMs: 5001 }, 'option-invalid'],
      [{ cacheMs: -1 }, 'option-invalid'],
      [{ maxAgeSeconds: -1 }, 'option-invalid'],
      [{ jwks: { keys: [] } }, 'jwks-invalid'],
      [{ jwks: undefined, jwksUri: 'http://issuer.test/jwks.json' }, 'option-invalid'],
      [{ jwks: undefined, jwksUri: 'nowhere' }, 'option-invalid'],
    ]
    for (const [options, code] of rows) {
      assert.throws(() => verifier(options), { code }, JSON.stringify(options))
    }
    const misspelt = { ...BASE, audiences: AUDIENCE }
    assert.throws(() => createJwtVerifier(misspelt), { code: 'option-unknown' })
    const none = { ...BASE, algorithms: JSON.parse('["none"]') }
    assert.throws(() => createJwtVerifier(none), { code: 'option-invalid' })
  })

  it('refuses keys that are weak, private, secret or for something else', () => {
    const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey
    const three = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).publicKey
    const es256 = jwk(KEYS.ES256.publicKey)
    const rsa = jwk(KEYS.RS256.publicKey)
    const rows: [string, object][] = [
      ['RSA of 1024 bits', jwk(small, { alg: 'RS256' })],
      ['an exponent of 3', jwk(three, { alg: 'RS256' })],
      ['an exponent of 1', { ...rsa, e: 'AQ', alg: 'RS256' }],
      ['an RSA key for every RSA algorithm', rsa],
      ['a private key', KEYS.ES256.privateKey.export({ format: 'jwk' })],
      ['a secret', { kty: 'oct', k: base64url(Buffer.alloc(32)) }],
      ['for encryption', { ...es256, use: 'enc' }],
      ['for signing, not checking', { ...es256, key_ops: ['sign'] }],
      ['a point that is not on the curve', { ...es256, x: base64url(Buffer.alloc(32, 1)) }],
      ['another algorithm than its curve', { ...es256, alg: 'ES384' }],
      ['an algorithm of another kind', { ...es256, alg: 'HS256' }],
      ['none', { ...es256, alg: 'none' }],
      ['padded coordinates', { ...es256, x: `${String(Reflect.get(es256, 'x'))}=` }],
      ['a kid that is no text', { ...es256, kid: 7 }],
      ['an unknown kind', { kty: 'XYZ', x: 'AAAA' }],
      ['no kind', { x: 'AAAA' }],
      ['secp256k1', jwk(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey)],
      ['Ed448', jwk(generateKeyPairSync('ed448').publicKey)],
    ]
    const algorithms = ['ES256', 'ES384', 'EdDSA', 'RS256', 'PS256'] as const
    for (const [name, key] of rows) {
      const given = { jwks: { keys: [key] }, algorithms }
      assert.throws(() => verifier(given), { code: 'jwks-invalid' }, name)
      // Beside one that is good it is passed over.
      assert.ok(verifier({ jwks: { keys: [key, es256] }, algorithms }), name)
    }
    assert.throws(() => verifier({ jwks: { keys: Array.from({ length: 101 }, () => es256) } }), {
      code: 'jwks-invalid',
    })
    assert.ok(verifier({ jwks: { keys: [rsa] }, algorithms: ['RS256'] }), 'the only one allowed')
  })

  it('does not guess between keys of one name, or of none', async () => {
    const twice = { keys: [jwk(KEYS.ES256.publicKey, { kid: 'ES256' }), strangerJwk] }
    assert.equal(await outcome(good, { jwks: twice }), 'key-ambiguous')
    const nameless = { keys: [jwk(KEYS.ES256.publicKey), jwk(STRANGER)] }
    const text = forge({ alg: 'ES256', typ: 'at+jwt' }, CLAIMS)
    assert.equal(await outcome(text, { jwks: nameless }), 'key-ambiguous')
  })

  it('takes other types, optional types, and how old a token may be', async () => {
    const plain = forge({ alg: 'ES256', kid: 'ES256' }, without('jti'))
    assert.equal(await outcome(plain, { types: ['JWT'] }), 'type-refused')
    assert.equal(await outcome(plain, { types: ['JWT'], typeOptional: true }), 'accepted')
    assert.equal(await outcome(token({}, { typ: 'jwt' }), { types: ['JWT'] }), 'accepted')
    assert.equal(await outcome(good, { requiredClaims: ['tenant'] }), 'claim-missing')
    assert.equal(await outcome(token({ iat: NOW - 89 }), { maxAgeSeconds: 60 }), 'accepted')
    assert.equal(await outcome(token({ iat: NOW - 90 }), { maxAgeSeconds: 60 }), 'too-old')
    const ageless = forge(HEADER, without('iat'))
    const rules = { maxAgeSeconds: 60, requiredClaims: [] }
    assert.equal(await outcome(ageless, rules), 'claim-missing')
    assert.equal(await outcome(token({ exp: NOW }), { clockToleranceSeconds: 0 }), 'expired')
  })

  it('remembers a token for five seconds, never past its end, and forgets what is revoked', async () => {
    let now = NOW * 1000
    const remembering = verifier({ clock: () => new Date(now) })
    const first = await remembering.verify(good)
    assert.equal(await remembering.verify(good), first, 'the very verdict of before')
    remembering.drop((claims) => claims.jti === 'another')
    assert.equal(await remembering.verify(good), first)
    remembering.drop((claims) => claims.jti === 'token-1')
    const second = await remembering.verify(good)
    assert.notEqual(second, first, 'looked at again')
    now += 4999
    assert.equal(await remembering.verify(good), second)
    now += 1
    assert.notEqual(await remembering.verify(good), second)
    const short = token({ exp: NOW + 6, jti: 'short' })
    const seen = await remembering.verify(short)
    now += 1000
    assert.notEqual(await remembering.verify(short), seen, 'not remembered past exp')
    now -= 3_600_000
    assert.equal(codeOf(await remembering.verify(short)), 'not-yet-valid', 'the clock was set back')
  })

  it('remembers by the whole token: another signature is another token (CVE-2026-35039)', async () => {
    const remembering = verifier()
    assert.equal(codeOf(await remembering.verify(good)), 'accepted')
    const last = good.at(-3) === 'A' ? 'B' : 'A'
    const near = `${good.slice(0, -3)}${last}${good.slice(-2)}`
    assert.equal(codeOf(await remembering.verify(near)), 'signature-invalid')
    assert.equal(codeOf(await remembering.verify(good)), 'accepted')
  })

  it('hands out claims that nobody can change for the next request', async () => {
    const verdict = await verifier().verify(token({ cnf: { jkt: 'x' } }))
    assert.ok(verdict.ok)
    assert.ok(Object.isFrozen(verdict) && Object.isFrozen(verdict.claims))
    assert.ok(Object.isFrozen(verdict.claims['cnf']) && Object.isFrozen(verdict.header))
  })
})

function codeOf(verdict: JwtVerdict): JwtFault | 'accepted' {
  return verdict.ok ? 'accepted' : verdict.code
}

/** Claims that are no text of ours. */
function forgeBytes(claims: Buffer): string {
  const signed = `${base64url(JSON.stringify(HEADER))}.${base64url(claims)}`
  return `${signed}.${base64url(signer(KEYS.ES256.privateKey)(Buffer.from(signed)))}`
}

/** Another last character that decodes to the same bytes: 64 bytes leave four bits over. */
function leftOver(text: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return alphabet.charAt(alphabet.indexOf(text.at(-1) ?? '') + 1)
}
