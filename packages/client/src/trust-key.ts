/**
 * Plans by what they name: equal plans get equal keys, whatever objects they were made from, and the files they depend on.
 *
 * @module
 */
import { hash } from 'node:crypto'
import path from 'node:path'
import { type CaSource, type CertificateSource, type KeySource, TrustStore } from '@countersign/tls'
import { Certificate, PrivateKey } from '@countersign/x509'
import { isPath, listed } from './ca-sources.ts'
import type { RevocationPlan } from './revocation-plan.ts'
import type { IdentityPlan, TrustPlan } from './trust-plan.ts'

/** A text that two plans share only if they mean the same. Files count by their path, not by what is in them. */
export function planKey(plan: TrustPlan): string {
  const { identity, pins, revocation } = plan
  // Unverified connections need no roots.
  const verified = plan.verified === false ? 'no' : plan.verified === true ? 'yes' : ''
  return JSON.stringify([
    verified,
    verified === 'no' ? '' : sourcesKey(plan),
    identityKey(identity),
    pins === undefined ? '' : [...pins.digests].toSorted(),
    revocationKey(revocation),
  ])
}

/** The files and folders that a plan names itself. */
export function planFiles(plan: TrustPlan): string[] {
  const { only, extra, identity, revocation } = plan
  const trust =
    plan.verified === false
      ? []
      : [only?.sources ?? [], ...extra, revocation?.mode.fetch ?? [], revocation?.lists ?? []]
  return [...trust.flatMap((sources) => listed<unknown>(sources)), identity?.cert, identity?.key]
    .filter(isPath)
    .map((file) => path.resolve(file))
}

/** An empty list is not the same as none: the first is refused, the second is the default. */
function sourcesKey(plan: TrustPlan): unknown[] {
  const only = plan.only === undefined ? 'default' : listed(plan.only.sources).map(sourceKey)
  return [only, plan.extra.map((sources) => listed(sources).map(sourceKey))]
}

function sourceKey(source: CaSource): string {
  if (source instanceof TrustStore) return `store ${source.sha256}`
  if (source instanceof Certificate) return `certificate ${source.fingerprint}`
  if (isPath(source)) return path.resolve(source)
  return hash('sha256', source)
}

function identityKey(identity: IdentityPlan | undefined): string[] {
  if (identity === undefined) return []
  const { cert, key, passphrase } = identity
  return [materialKey(cert), materialKey(key), hash('sha256', passphrase ?? '')]
}

function materialKey(material: CertificateSource | KeySource | undefined): string {
  if (material === undefined) return ''
  if (material instanceof PrivateKey) return hash('sha256', material.publicKey.spki)
  if (material instanceof Certificate) return material.fingerprint
  if (isPath(material)) return path.resolve(material)
  if (typeof material === 'string' || material instanceof Uint8Array)
    return hash('sha256', material)
  return material.map((one) => one.fingerprint).join(',')
}

function revocationKey(plan: RevocationPlan | undefined): unknown {
  if (plan === undefined) return ''
  const { depth, chains, fetch, acceptStale } = plan.mode
  const fetched = fetch === undefined ? '' : listed(fetch).map(sourceKey)
  return [plan.lists.map(sourceKey), fetched, depth, chains, acceptStale]
}
