/**
 * Verifying a JSON Web Token with every claim checked: ours against jose, for tokens seen for the first time and seen again.
 *
 * Usage: node bench/jwt.ts [--json FILE]
 *
 * @module
 */
import { createJwtVerifier } from '@countersign/auth'
import { createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose'
import { checkBars, compare, saveResults } from './harness.ts'

const ISSUER = 'https://issuer.example'
const AUDIENCE = 'https://api.example'

await measure('ES256')
await measure('EdDSA')
saveResults()

async function measure(algorithm: 'ES256' | 'EdDSA'): Promise<void> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm)
  const jwks = {
    keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: algorithm, use: 'sig' }],
  }
  const tokens = await Promise.all(Array.from({ length: 500 }, (_, index) => newToken(index)))
  const [token = ''] = tokens
  const named = { issuer: ISSUER, audience: AUDIENCE, jwks, algorithms: [algorithm] }
  const fresh = createJwtVerifier({ ...named, cacheMs: 0 })
  const remembering = createJwtVerifier(named)
  const keys = createLocalJWKSet(jwks)
  const rules = {
    issuer: ISSUER,
    audience: AUDIENCE,
    typ: 'at+jwt',
    algorithms: [algorithm],
    clockTolerance: 30,
    requiredClaims: ['exp', 'sub', 'client_id', 'iat', 'jti'],
  }
  const comparison = await compare(
    `a token verified, ${algorithm}`,
    'tokens per second',
    [
      {
        name: 'jose',
        run: () =>
          rate(4, tokens, async (each) => {
            await jwtVerify(each, keys, rules)
          }),
      },
      {
        name: 'countersign',
        run: () =>
          rate(4, tokens, async (each) => {
            const verdict = await fresh.verify(each)
            if (!verdict.ok) throw new Error(verdict.message)
          }),
      },
      {
        name: 'countersign, seen before',
        run: () =>
          rate(100, tokens, async () => {
            const verdict = await remembering.verify(token)
            if (!verdict.ok) throw new Error(verdict.message)
          }),
      },
    ],
    15,
  )
  checkBars(comparison, [
    { subject: 'countersign', against: 'jose', atLeast: 1.35 },
    { subject: 'countersign, seen before', against: 'jose', atLeast: 20 },
  ])

  function newToken(index: number): Promise<string> {
    return new SignJWT({ client_id: 'robot', scope: 'reports:read' })
      .setProtectedHeader({ alg: algorithm, typ: 'at+jwt', kid: 'one' })
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setSubject('01JDN9Z8XQ5T7V3W2Y1A0B9C8D')
      .setJti(`token-${index}`)
      .setIssuedAt()
      .setNotBefore('0s')
      .setExpirationTime('1h')
      .sign(privateKey)
  }
}

/** How many a second, every token `times` times. */
async function rate(
  times: number,
  tokens: readonly string[],
  verify: (token: string) => Promise<void>,
): Promise<number> {
  const start = performance.now()
  for (let time = 0; time < times; time++) for (const token of tokens) await verify(token)
  return (times * tokens.length * 1000) / (performance.now() - start)
}
