import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createJwtVerifier } from '@countersign/auth'
import { scrubProcess } from '@countersign/testkit'
import * as fc from 'fast-check'
import {
  AUDIENCE,
  base64url,
  CLAIMS,
  forge,
  HEADER,
  ISSUER,
  JWKS,
  NOW,
  partsOf,
  token,
} from './jwt-forge.ts'

scrubProcess()

const verifier = createJwtVerifier({
  issuer: ISSUER,
  audience: AUDIENCE,
  jwks: JWKS,
  clock: () => new Date(NOW * 1000),
  cacheMs: 0,
})
const good = token()

async function accepts(text: string): Promise<boolean> {
  return (await verifier.verify(text)).ok
}

describe('the reader of tokens', () => {
  it('refuses whatever is no token, and never throws', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string({ unit: 'binary', maxLength: 300 }),
          fc.array(fc.base64String(), { maxLength: 6 }).map((parts) => parts.join('.')),
          fc
            .array(fc.uint8Array({ maxLength: 90 }).map(base64url), { maxLength: 4 })
            .map((parts) => parts.join('.')),
          fc
            .array(fc.json().map(base64url), { minLength: 2, maxLength: 3 })
            .map((parts) => parts.join('.')),
        ),
        async (text) => !(await accepts(text)),
      ),
      { numRuns: 2000 },
    )
  })

  it('refuses a good token with any character put in, taken out or exchanged', async () => {
    const place = fc.nat({ max: good.length - 1 })
    const change = fc.oneof(
      fc.record({
        at: place,
        put: fc.string({ unit: 'binary', minLength: 1, maxLength: 3 }),
        cut: fc.constantFrom(0, 1),
      }),
      fc.record({ at: place, put: fc.constant(''), cut: fc.integer({ min: 1, max: 5 }) }),
    )
    await fc.assert(
      fc.asyncProperty(change, async ({ at, put, cut }) => {
        const text = good.slice(0, at) + put + good.slice(at + cut)
        return text === good || !(await accepts(text))
      }),
      { numRuns: 2000 },
    )
  })

  it('refuses every signature with a bit turned', async () => {
    const { signature } = partsOf(good)
    const signed = good.slice(0, good.lastIndexOf('.'))
    for (let bit = 0; bit < signature.length * 8; bit++) {
      const turned = Buffer.from(signature)
      turned[bit >> 3] = (turned[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      assert.equal(await accepts(`${signed}.${base64url(turned)}`), false, `bit ${bit}`)
    }
  })

  it('takes signed claims only with a member for each name, whatever their values', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.string({ unit: 'binary', maxLength: 12 }), fc.jsonValue({ maxDepth: 4 }), {
          maxKeys: 5,
        }),
        async (extra) => {
          const text = JSON.stringify({ ...extra, ...CLAIMS })
          assert.equal(await accepts(forge(HEADER, text)), true, text)
          const [name] = Object.keys(extra)
          if (name === undefined || name in CLAIMS) return
          const doubled = `{${JSON.stringify(name)}:1,${text.slice(1)}`
          assert.equal(await accepts(forge(HEADER, doubled)), false, doubled)
        },
      ),
      { numRuns: 500 },
    )
  })

  it('never takes a claim of time or a name of another kind', async () => {
    const other = fc.oneof(
      fc.string({ minLength: 1 }),
      fc.boolean(),
      fc.constant(null),
      fc.array(fc.integer()),
      fc.object(),
    )
    await fc.assert(
      fc.asyncProperty(fc.constantFrom('exp', 'nbf', 'iat'), other, async (name, value) => {
        return !(await accepts(token({ [name]: value })))
      }),
      { numRuns: 300 },
    )
  })
})
