/**
 * The rules that the issuer of now signs by: what stands in the configuration, and what follows from roots and issuers.
 *
 * @module
 */
import type { AuthorityState } from './authority-state.ts'
import type { NameLimits } from './constraints.ts'
import type { IssuingRules } from './issuing.ts'
import type { NameSpace } from './name-space.ts'

/** What holds whichever issuer signs. */
export type StandingRules = Pick<IssuingRules, 'policy' | 'trustDomain' | 'publicUrl'> & {
  /** What the authority may ever sign; `undefined` where that is everything. */
  readonly constraints: NameSpace | undefined
}

/** The rules under a state. */
export function rulesOf(state: AuthorityState, standing: StandingRules): IssuingRules {
  const { records, issuer, issuerRoot, chain } = state
  return {
    ...standing,
    constraints: limitsOf(state, standing.constraints),
    root: issuerRoot.certificate,
    rootId: issuerRoot.id,
    issuer: issuer.certificate,
    issuerId: issuer.id,
    chain,
    authorityKeys: records.map((record) => record.certificate.publicKey),
  }
}

/** Of certificates that were taken over, the constraints of all that a leaf of now may be led through. */
function limitsOf(
  { records, cross, issuer, issuerRoot }: AuthorityState,
  space: NameSpace | undefined,
): NameLimits | undefined {
  if (space !== undefined) return { space, above: [] }
  const signers = cross.filter(({ ca }) => ca === issuerRoot.id).map(({ signer }) => signer)
  const above = records
    .filter(
      ({ id, state }) => state !== 'retired' && [issuer.id, issuerRoot.id, ...signers].includes(id),
    )
    .map(({ certificate }) => certificate)
    .filter(({ extensions }) => extensions.nameConstraints !== undefined)
  return above.length === 0 ? undefined : { space: undefined, above }
}
