/**
 * `countersign serve --permit name=value`: which client certificates may come in.
 *
 * @module
 */
import type { CertificateRule } from '@countersign/server'
import { ProgramError } from '../errors.ts'

/**
 * Reads them: of several names all must hold, of several values of one any.
 *
 * @throws {@link ProgramError} `usage` for what is no rule
 */
export function permitRule(given: readonly string[] | undefined): CertificateRule | undefined {
  if (given === undefined) return undefined
  const values = new Map<string, string[]>()
  for (const one of given) {
    const at = one.indexOf('=')
    const name = PERMIT_NAMES.find((known) => known === one.slice(0, at))
    if (name === undefined || at === one.length - 1) {
      throw new ProgramError('usage', `--permit "${one}" names nobody`, {
        hint: `write --permit dns=api.corp.internal; there are ${PERMIT_NAMES.join(', ')}`,
      })
    }
    values.set(name, [...(values.get(name) ?? []), one.slice(at + 1)])
  }
  return Object.fromEntries(values)
}

/** What a rule is about. */
export const PERMIT_NAMES: readonly (keyof CertificateRule)[] = [
  'dns',
  'email',
  'uri',
  'spiffe',
  'trustDomain',
  'issuer',
  'fingerprint',
]
