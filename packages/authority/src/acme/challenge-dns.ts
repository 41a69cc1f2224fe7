/**
 * dns-01 (RFC 8555 §8.4): a TXT record below the name has the digest of the key authorization.
 *
 * @module
 */
import { hash } from 'node:crypto'
import type { Networks } from './networks.ts'
import { AcmeProblem } from './problem.ts'

/**
 * Looks for the digest at `_acme-challenge.HOST`.
 *
 * @throws AcmeProblem `dns`, `incorrectResponse`
 */
export async function validateDns(
  networks: Networks,
  host: string,
  keyAuthorization: string,
  signal: AbortSignal,
): Promise<void> {
  const name = `_acme-challenge.${host}`
  const texts = await networks.textsOf(name, signal)
  if (texts.includes(hash('sha256', keyAuthorization, 'base64url'))) return
  throw new AcmeProblem(
    'incorrectResponse',
    texts.length === 0
      ? `${name} has no TXT record`
      : `none of the ${texts.length} TXT records of ${name} is the digest of the key authorization`,
  )
}
