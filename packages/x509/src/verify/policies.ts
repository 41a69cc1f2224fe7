/**
 * Certificate policies along a chain: RFC 5280 §6.1 with the policy graph of RFC 9618, whose size grows with the
 * certificates and not with the powers of their number.
 *
 * @module
 */
import type { Certificate } from '../certificate.ts'
import { OID } from '../oid.ts'
import { type Fault, nameOf } from './verdict.ts'

/** A policy that holds down to a certificate. */
interface Node {
  readonly policy: string
  /** What the next certificate may call it. */
  expected: ReadonlySet<string>
  readonly parents: readonly Node[]
}

type Level = Map<string, Node>

/**
 * @param chain - leaf first, anchor last; the anchor's own policies do not count (RFC 5280 §6.1)
 * @param wanted - policies of which one must hold; without any, whatever the certificates demand
 */
export function checkPolicies(
  chain: readonly Certificate[],
  wanted: readonly string[] | undefined,
): Fault | undefined {
  const below = chain.slice(0, -1).toReversed()
  if (below.length === 0) return undefined
  if (wanted === undefined && !below.some(hasPolicyRules)) return undefined
  const graph = new PolicyGraph(below.length, wanted !== undefined)
  for (const [index, certificate] of below.entries()) {
    const isLeaf = index === below.length - 1
    graph.add(certificate, isLeaf)
    if (graph.isRefused) {
      return fault(certificate, `no policy of ${nameOf(certificate)} holds for the whole chain`)
    }
    if (isLeaf) break
    if (hasAnyPolicyMapping(certificate)) {
      return fault(certificate, `${nameOf(certificate)} maps anyPolicy, which nobody may`)
    }
    graph.prepare(certificate)
  }
  const [leaf] = chain
  if (leaf === undefined || graph.finish(leaf, wanted)) return undefined
  const found = wanted === undefined ? 'any policy' : wanted.join(', ')
  return fault(leaf, `${nameOf(leaf)}: ${found} does not hold for the whole chain`)
}

class PolicyGraph {
  #levels: Level[] | undefined
  #explicit: number
  #mapping: number
  #any: number

  constructor(length: number, isExplicit: boolean) {
    const any: Node = { policy: ANY, expected: new Set([ANY]), parents: [] }
    this.#levels = [new Map([[ANY, any]])]
    this.#explicit = isExplicit ? 0 : length + 1
    this.#mapping = length + 1
    this.#any = length + 1
  }

  /** Whether a policy must hold and none does (§6.1.3 f). */
  get isRefused(): boolean {
    return this.#explicit === 0 && this.#levels === undefined
  }

  /** §6.1.3 d and e. */
  add(certificate: Certificate, isLeaf: boolean): void {
    const policies = certificate.extensions.certificatePolicies
    const previous = this.#levels?.at(-1)
    if (policies === undefined) this.#levels = undefined
    if (policies === undefined || previous === undefined) return
    const byExpected = new Map<string, Node[]>()
    for (const node of previous.values()) {
      for (const policy of node.expected) {
        const found = byExpected.get(policy)
        if (found === undefined) byExpected.set(policy, [node])
        else found.push(node)
      }
    }
    const any = previous.get(ANY)
    const level: Level = new Map()
    for (const { policy } of policies) {
      if (policy === ANY) continue
      const parents = byExpected.get(policy) ?? (any === undefined ? [] : [any])
      if (parents.length > 0) level.set(policy, { policy, expected: new Set([policy]), parents })
    }
    const allowsAny = this.#any > 0 || (!isLeaf && certificate.isSelfIssued)
    if (allowsAny && policies.some(({ policy }) => policy === ANY)) {
      for (const [policy, parents] of byExpected) {
        if (level.has(policy)) continue
        level.set(policy, { policy, expected: new Set([policy]), parents })
      }
    }
    this.#levels?.push(level)
    this.#prune()
  }

  /** §6.1.4 a to j. */
  prepare(certificate: Certificate): void {
    const { policyMappings, policyConstraints, inhibitAnyPolicy } = certificate.extensions
    if (policyMappings !== undefined) this.#map(policyMappings)
    if (!certificate.isSelfIssued) {
      this.#explicit = Math.max(0, this.#explicit - 1)
      this.#mapping = Math.max(0, this.#mapping - 1)
      this.#any = Math.max(0, this.#any - 1)
    }
    const { requireExplicitPolicy, inhibitPolicyMapping } = policyConstraints ?? {}
    this.#explicit = Math.min(this.#explicit, requireExplicitPolicy ?? this.#explicit)
    this.#mapping = Math.min(this.#mapping, inhibitPolicyMapping ?? this.#mapping)
    this.#any = Math.min(this.#any, inhibitAnyPolicy ?? this.#any)
  }

  /** §6.1.5: whether what must hold does. */
  finish(leaf: Certificate, wanted: readonly string[] | undefined): boolean {
    this.#explicit = Math.max(0, this.#explicit - 1)
    if (leaf.extensions.policyConstraints?.requireExplicitPolicy === 0) this.#explicit = 0
    if (this.#explicit > 0) return true
    const levels = this.#levels
    if (levels === undefined) return false
    if (wanted === undefined || wanted.includes(ANY)) return true
    if (levels.at(-1)?.has(ANY) === true) return true
    // What the authorities call it is the name at the top, before any mapping: a node right below anyPolicy.
    const domain = levels
      .flatMap((level) => [...level.values()])
      .filter(({ policy, parents }) => policy !== ANY && parents.some((up) => up.policy === ANY))
    return domain.some(({ policy }) => wanted.includes(policy))
  }

  #map(mappings: readonly { issuerDomainPolicy: string; subjectDomainPolicy: string }[]): void {
    const level = this.#levels?.at(-1)
    const previous = this.#levels?.at(-2)
    if (level === undefined || previous === undefined) return
    const byIssuer = Map.groupBy(mappings, ({ issuerDomainPolicy }) => issuerDomainPolicy)
    for (const [policy, mapped] of byIssuer) {
      if (this.#mapping === 0) {
        level.delete(policy)
        continue
      }
      const expected = new Set(mapped.map(({ subjectDomainPolicy }) => subjectDomainPolicy))
      const node = level.get(policy)
      const any = previous.get(ANY)
      if (node !== undefined) node.expected = expected
      else if (level.has(ANY) && any !== undefined) {
        level.set(policy, { policy, expected, parents: [any] })
      }
    }
    this.#prune()
  }

  /** Drops what leads to no node of the last level; a graph without a last level is none. */
  #prune(): void {
    const levels = this.#levels
    if (levels === undefined) return
    for (let index = levels.length - 1; index > 0; index--) {
      const used = new Set([...(levels[index]?.values() ?? [])].flatMap(({ parents }) => parents))
      const level = levels[index - 1]
      for (const node of level?.values() ?? []) if (!used.has(node)) level?.delete(node.policy)
    }
    if (levels.at(-1)?.size === 0) this.#levels = undefined
  }
}

function hasPolicyRules({ extensions }: Certificate): boolean {
  return extensions.policyConstraints !== undefined || extensions.policyMappings !== undefined
}

function hasAnyPolicyMapping({ extensions }: Certificate): boolean {
  return (extensions.policyMappings ?? []).some(
    ({ issuerDomainPolicy, subjectDomainPolicy }) =>
      issuerDomainPolicy === ANY || subjectDomainPolicy === ANY,
  )
}

function fault(certificate: Certificate, message: string): Fault {
  const policies = certificate.extensions.certificatePolicies ?? []
  return {
    code: 'rejected-by-policy',
    message,
    certificate,
    facts: {
      rule: 'certificate-policy',
      found: policies.map(({ policy }) => policy).join(', ') || 'no policies',
    },
  }
}

const ANY: string = OID.anyPolicy
