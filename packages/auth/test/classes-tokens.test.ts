/**
 * Faults of others in what reads tokens and resets, one test for each class, named after where they were found.
 */
import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import { describe, it } from 'node:test'
import { createJwtVerifier, type JwtVerifierOptions } from '@countersign/auth'
import { scrubProcess } from '@countersign/testkit'
import {
  AUDIENCE,
  CLAIMS,
  forge,
  HEADER,
  hmac,
  ISSUER,
  jwk,
  KEYS,
  NOW,
  resigned,
  token,
} from './jwt-forge.ts'
import { addClient, claimsOf, JWT_BEARER, startOAuth } from './oauth-service.ts'

scrubProcess()

const clock = (): Date => new Date(NOW * 1000)

/** What a verifier with these keys says of a token. */
async function judge(
  text: string,
  keys: JwtVerifierOptions['jwks'],
  more: Partial<JwtVerifierOptions> = {},
): Promise<string> {
  const verifier = createJwtVerifier({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwks: keys,
    clock,
    ...more,
  })
  const verdict = await verifier.verify(text)
  return verdict.ok ? 'accepted' : verdict.code
}

const pem = KEYS.RS256.publicKey.export({ format: 'pem', type: 'spki' }).toString()
const der = KEYS.RS256.publicKey.export({ format: 'der', type: 'spki' })
const jwkText = JSON.stringify(KEYS.RS256.publicKey.export({ format: 'jwk' }))

/** A token under the name of the RSA key. */
function rsa(header: object, how: (signed: Buffer) => Uint8Array = signedByRsa): string {
  return forge({ typ: 'at+jwt', kid: 'rsa', ...header }, CLAIMS, how)
}

function signedByRsa(signed: Buffer): Uint8Array {
  return sign('sha256', signed, KEYS.RS256.privateKey)
}

function bearerOf(value: unknown): { headers: Record<string, string> } {
  return { headers: { authorization: `Bearer ${String(value)}` } }
}

describe('not again, in tokens', () => {
  it('CVE-2022-29217 PyJWT, CVE-2023-48223, CVE-2026-34950, GHSA-ww5h fast-jwt, CVE-2026-22817, CVE-2026-22818 hono, CVE-2026-23993 HarbourJwt: the algorithm is the key’s, never the header’s', async () => {
    // Both ways to publish a key: with its algorithm, and without, which is where hono asked the token.
    for (const alg of ['RS256', undefined]) {
      const keys = { keys: [jwk(KEYS.RS256.publicKey, { kid: 'rsa', alg })] }
      const allowed = { algorithms: ['RS256'] } as const
      assert.equal(await judge(rsa({ alg: 'RS256' }), keys, allowed), 'accepted')
      const secrets = [
        pem,
        `\n${pem}`,
        ` ${pem}`,
        pem.trim(),
        pem.replaceAll('\n', '\r\n'),
        der,
        jwkText,
        '',
      ]
      for (const secret of secrets) {
        for (const name of ['HS256', 'HS384', 'HS512', 'RS256']) {
          const verdict = await judge(rsa({ alg: name }, hmac(secret)), keys, allowed)
          assert.match(verdict, /^(?:algorithm-refused|signature-invalid)$/, name)
        }
      }
      for (const unknown of ['foo', 'zzz', '', 'NONE', 'none', 'HS1', 'RS1', 'PS256', 'ES256']) {
        for (const signature of [Buffer.alloc(0), Buffer.alloc(1), Buffer.alloc(256)]) {
          const text = rsa({ alg: unknown }, () => signature)
          assert.notEqual(await judge(text, keys, allowed), 'accepted', unknown)
        }
      }
    }
  })

  it('CVE-2026-11800 keycloak: nobody signs an assertion with the public key of an issuer', async (t) => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const published = { ...publicKey.export({ format: 'jwk' }), kid: 'forge' }
    const service = await startOAuth(t, {
      tokens: {
        trustedIssuers: [
          {
            issuer: 'https://forge.test',
            jwks: { keys: [published] },
            algorithms: ['RS256'],
            principalOf: () => 'builder',
          },
        ],
      },
    })
    await service.auth.users.add({ name: 'builder', kind: 'service' })
    const ask = async (alg: string, how: (signed: Buffer) => Uint8Array): Promise<unknown> => {
      const now = Math.floor(service.now().getTime() / 1000)
      const claims = {
        iss: 'https://forge.test',
        sub: 'x',
        aud: service.origin,
        jti: alg,
        iat: now,
        exp: now + 60,
      }
      const assertion = forge({ alg, typ: 'JWT', kid: 'forge' }, claims, how)
      const { status, body } = await service.token({ grant_type: JWT_BEARER, assertion })
      return [status, body['error'] ?? claimsOf(body['access_token'])['client_id']]
    }
    const text = publicKey.export({ format: 'pem', type: 'spki' }).toString()
    for (const alg of ['HS256', 'HS512', 'none', 'RS256', 'foo']) {
      assert.deepEqual(await ask(alg, hmac(text)), [400, 'invalid_grant'], alg)
    }
    const own = (signed: Buffer): Buffer => sign('sha256', signed, privateKey)
    assert.deepEqual(await ask('RS256', own), [200, 'builder'])
  })

  it('GHSA-752w PyJWT, GHSA-hm7r, GHSA-8wpc fast-jwt, GHSA-75c5 PyJWT: crit, none, an empty key and a part of an issuer are refused', async () => {
    const keys = { keys: [jwk(KEYS.ES256.publicKey, { kid: 'ES256', alg: 'ES256' })] }
    const good = token()
    assert.equal(await judge(good, keys), 'accepted')
    const unheard = { 'x-custom-policy': 'require-mfa' }
    for (const crit of [['x-custom-policy'], ['exp'], ['alg'], ['b64'], [], null, 'x', [1]]) {
      assert.equal(await judge(token({}, { ...unheard, crit }), keys), 'critical-header')
    }
    assert.equal(await judge(token({}, unheard), keys), 'accepted')
    for (const alg of ['none', 'None', 'nOnE', 'NONE']) {
      const unsigned = forge({ ...HEADER, alg }, CLAIMS, () => Buffer.alloc(0))
      assert.equal(await judge(unsigned, keys), 'malformed')
      assert.equal(await judge(resigned(unsigned, 'AAAA'), keys), 'algorithm-refused')
    }
    for (const alg of ['HS256', 'HS384', 'HS512']) {
      const text = forge({ ...HEADER, alg }, CLAIMS, hmac(''))
      assert.equal(await judge(text, keys), 'algorithm-refused')
    }
    for (const secret of ['', new Uint8Array(), new Uint8Array(1)]) {
      const bytes = Buffer.from(secret)
      const empty = { jwks: undefined, secret: bytes, algorithms: ['HS256'] } as const
      await assert.rejects(judge(good, keys, empty), { code: 'jwk-invalid' })
    }
    for (const iss of [
      ISSUER.slice(0, -1),
      ISSUER.slice(8),
      'https://',
      '/',
      `${ISSUER}.evil`,
      `x${ISSUER}`,
    ]) {
      assert.equal(await judge(token({ iss }), keys), 'issuer-mismatch', iss)
    }
  })

  it('CVE-2026-9798, CVE-2026-16103 keycloak: who is disabled gets nothing at the token endpoint either, and nothing by what was got', async (t) => {
    const service = await startOAuth(t)
    const ada = await addClient(service, 'ada', { kind: 'user' })
    const robot = await addClient(service, 'robot')
    const personal = (): Record<string, string> => ({
      grant_type: JWT_BEARER,
      assertion: ada.assertion(service),
      scope: '* offline_access',
    })
    const mechanical = (): Record<string, string> => ({
      grant_type: 'client_credentials',
      ...robot.proof(service),
    })
    const first = await service.token(personal())
    const second = await service.token(mechanical())
    assert.deepEqual([first.status, second.status], [200, 200])
    const refresh = (): Record<string, string> => ({
      grant_type: 'refresh_token',
      refresh_token: String(first.body['refresh_token']),
    })
    const tokens = [first, second].map(({ body }) => body['access_token'])
    for (const each of tokens)
      assert.equal((await service.send('/private', bearerOf(each))).status, 200)
    for (const name of ['ada', 'robot']) await service.auth.users.disable(name)
    const answers = [personal(), mechanical(), refresh()].map((form) => service.token(form))
    assert.deepEqual(
      (await Promise.all(answers)).map(({ body }) => body['error']),
      ['invalid_grant', 'invalid_client', 'invalid_grant'],
    )
    for (const each of tokens)
      assert.equal((await service.send('/private', bearerOf(each))).status, 401)
  })
})
