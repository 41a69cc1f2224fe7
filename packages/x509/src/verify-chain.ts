/**
 * Path validation: whether a certificate leads to something that is trusted, and if not, why not.
 *
 * The parts, in `verify/`: `build-path.ts` looks for chains, `check-chain.ts` checks one, `verdict.ts` says what can be wrong.
 *
 * Not here: fetching anything. Missing intermediates, revocation lists and OCSP answers are named, never sought.
 *
 * @module
 */
import { Budget } from './verify/budget.ts'
import { buildPath } from './verify/build-path.ts'
import { readSettings, type VerifyOptions } from './verify/options.ts'
import { proveRevocation } from './verify/revocation.ts'
import type { Verdict } from './verify/verdict.ts'

/**
 * Looks for a chain from the leaf to one of the roots that holds at a time, for a purpose and a name (RFC 5280 §6, RFC 9525).
 *
 * Every way through the given certificates is tried: order, cross-signs, loops and superfluous certificates do no harm. One call
 * checks 200 signatures at most, and then refuses with `rejected-by-policy` and the rule `budget`. The roots themselves are held
 * to validity, name constraints, path length and usages like every authority; their own signature proves nothing and is not
 * checked.
 *
 * `strict`, the default, is what we accept: alternative names only, authorities with critical basic constraints and key
 * identifiers, no SHA-1, every part readable. A root that is not self-signed ends a chain as well. `openssl` predicts Node 24:
 * security level 2, self-signed roots only, a common name where there is no DNS name, no policies.
 *
 * Revocation is checked with complete lists of the issuer itself, signed with the key that signed the certificate, and with OCSP
 * answers of the issuer or of a delegate it signed. Delta lists, indirect lists and lists for some reasons only are not used;
 * `crl-missing` names them in its facts. One list or answer that can be used is enough, and the newer `thisUpdate` is named as
 * what decided; but who is revoked by either is revoked.
 *
 * ```ts
 * const verdict = verifyChain({ leaf, intermediates, roots, name: { dns: 'api.corp.internal' } })
 * if (!verdict.ok) throw new Error(`${verdict.code}: ${verdict.message}`)
 * ```
 *
 * @returns the chain, leaf first; or the fault of the chain that got furthest
 * @throws CoreError `option-unknown`, `option-invalid`; {@link X509Error} where the outer structure of a certificate or list that
 * was given as PEM or DER cannot be read
 */
export function verifyChain(options: VerifyOptions): Verdict {
  const settings = readSettings(options)
  const budget = new Budget()
  const verdict = buildPath(settings, undefined, budget)
  if (!verdict.ok || settings.revocation === 'off') return verdict
  return { ...verdict, revocation: proveRevocation(verdict.chain, settings, budget) }
}
