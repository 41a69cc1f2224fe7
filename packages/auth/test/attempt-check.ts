/**
 * What a row of the tables of attempts expects of an answer: status, code, problem type, challenge, caching.
 */
import assert from 'node:assert/strict'
import { DPOP_ALGORITHMS } from '../src/oauth/dpop.ts'
import { codeOf } from './direct.ts'

export const ok = '200'
export const required = '401 credentials-required'
export const invalid = '401 credentials-invalid'
export const two = '400 two-credentials'
export const crossSite = '403 cross-site-request'
export const plain = '403 tls-required'
export const scope = '403 scope-missing'
export const badProof = '401 dpop-proof-invalid'

/** Holds an answer against what it must be. */
export async function assertAnswer(
  answer: Response,
  expected: string,
  how: {
    /** Whether the service makes tokens, and so offers DPoP in each 401. */
    offersDpop?: boolean
    /** Further parameters of the challenge. */
    more?: string | undefined
  } = {},
): Promise<void> {
  const { headers, status } = answer
  const copy = answer.clone()
  assert.equal(await codeOf(answer), expected)
  if (status === 200) return
  const problem = JSON.parse(await copy.text())
  assert.equal(problem.type, `urn:countersign:problem:${problem.code}`)
  assert.equal(problem.status, status)
  assert.equal(headers.get('cache-control'), 'no-store')
  assert.equal(headers.get('www-authenticate'), challengeOf(expected, how))
}

function challengeOf(
  expected: string,
  { offersDpop = false, more }: Parameters<typeof assertAnswer>[2] = {},
): string | null {
  const parameters = CHALLENGES.get(expected)
  if (parameters === undefined) return null
  const [scheme, ...rest] = parameters
  const quoted = [...rest, ...(more === undefined ? [] : [more])]
  const first = `${scheme} ${['realm="countersign"', ...quoted].join(', ')}`
  const offered = offersDpop && expected.startsWith('401') && scheme === 'Bearer'
  return offered ? `${first}, DPoP ${ALGORITHMS}` : first
}

const ALGORITHMS = `algs="${DPOP_ALGORITHMS.join(' ')}"`

/** The scheme, and what stands behind the realm; whatever is not here has no challenge. */
const CHALLENGES: ReadonlyMap<string, readonly [string, ...string[]]> = new Map([
  [required, ['Bearer']],
  [
    invalid,
    [
      'Bearer',
      'error="invalid_token"',
      'error_description="the session or token is not valid, or no longer"',
    ],
  ],
  [
    two,
    [
      'Bearer',
      'error="invalid_request"',
      'error_description="a request may carry one credential: a cookie or an Authorization header"',
    ],
  ],
  [
    scope,
    [
      'Bearer',
      'error="insufficient_scope"',
      'error_description="the token may not be used for this"',
      'scope="reports:read"',
    ],
  ],
  [
    '401 step-up-required',
    [
      'Bearer',
      'error="insufficient_user_authentication"',
      'error_description="this needs a fresh proof of who you are"',
    ],
  ],
  [
    badProof,
    [
      'DPoP',
      'error="invalid_dpop_proof"',
      'error_description="the proof of possession does not fit this request"',
      ALGORITHMS,
    ],
  ],
])
