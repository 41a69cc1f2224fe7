/**
 * Name constraints along a chain (RFC 5280 §6.1.3 b and c, §6.1.4 g).
 *
 * @module
 */
import type { Certificate } from '../certificate.ts'
import type { GeneralSubtree } from '../extension-types.ts'
import { type GeneralName, printGeneralName } from '../general-name.ts'
import type { Name } from '../name.ts'
import { Budget } from './budget.ts'
import { isWellFormedTree, matchTree } from './name-trees.ts'
import { type Fault, nameOf, type NameConstraintFacts, shorten } from './verdict.ts'

/** What one authority allows below it, by kind of name. */
interface Constraints {
  readonly by: string
  readonly permitted: ReadonlyMap<string, readonly GeneralSubtree[]>
  readonly excluded: ReadonlyMap<string, readonly GeneralSubtree[]>
}

/** Whether a leaf's common name is held against the constraints of hosts, where it has no DNS name. */
export type CommonNameReading = 'unread' | 'with-dot' | 'always'

/**
 * @param chain - leaf first
 * @param reading - OpenSSL takes a common name with a dot for a host
 */
export function checkNameConstraints(
  chain: readonly Certificate[],
  strict: boolean,
  budget: Budget,
  reading: CommonNameReading,
): Fault | undefined {
  const above: Constraints[] = []
  for (const [index, certificate] of [...chain.entries()].toReversed()) {
    if (above.length > 0 && (index === 0 || !certificate.isSelfIssued)) {
      const fault = checkNames(certificate, index === 0 ? reading : 'unread', above, strict, budget)
      if (fault !== undefined) return fault
    }
    const constraints = certificate.extensions.nameConstraints
    if (constraints === undefined || index === 0) continue
    const malformed = strict
      ? [...constraints.permitted, ...constraints.excluded].find((tree) => !isWellFormedTree(tree))
      : undefined
    if (malformed !== undefined) {
      const tree = printTree(malformed)
      return {
        code: 'name-constraint',
        message: `${nameOf(certificate)} has the name constraint ${tree}, which is malformed`,
        certificate,
        facts: {
          rule: 'malformed-constraint',
          name: undefined,
          constraints: [tree],
          constrainedBy: nameOf(certificate),
        },
      }
    }
    const read = constraintsOf(certificate)
    if (read !== undefined) above.push(read)
  }
  return undefined
}

/** A name that an authority does not allow below it. */
export interface ConstrainedName {
  readonly name: string
  /** The subject of that authority. */
  readonly by: string
  /** What it allows of this kind, or excludes. */
  readonly trees: readonly string[]
}

/**
 * The first name of a certificate that is not there yet which an authority above it does not allow, read as OpenSSL reads constraints.
 *
 * @param wanted - its subject, and its alternative names
 * @param authorities - those above it, in any order
 * @returns `undefined` where all allow every name
 */
export function findConstrainedName(
  wanted: { readonly subject: Name; readonly subjectAltNames: readonly GeneralName[] },
  authorities: readonly Certificate[],
): ConstrainedName | undefined {
  const dnsNames = wanted.subjectAltNames.filter(({ type }) => type === 'dns')
  const names = [...namesOf({ ...wanted, dnsNames }, 'with-dot')]
  for (const authority of authorities) {
    const constraints = constraintsOf(authority)
    if (constraints === undefined) continue
    for (const name of names) {
      const found = checkName(name, constraints, false, new Budget())
      if (found === undefined) continue
      const printed = shorten(printGeneralName(name))
      return { name: printed, by: constraints.by, trees: found.trees.slice(0, 50).map(printTree) }
    }
  }
  return undefined
}

function constraintsOf(certificate: Certificate): Constraints | undefined {
  const constraints = certificate.extensions.nameConstraints
  if (constraints === undefined) return undefined
  return {
    by: nameOf(certificate),
    permitted: Map.groupBy(constraints.permitted, kindOf),
    excluded: Map.groupBy(constraints.excluded, kindOf),
  }
}

function checkNames(
  certificate: Certificate,
  reading: CommonNameReading,
  above: readonly Constraints[],
  strict: boolean,
  budget: Budget,
): Fault | undefined {
  for (const name of namesOf(certificate, reading)) {
    for (const constraints of above) {
      const found = checkName(name, constraints, strict, budget)
      if (found === undefined) continue
      const { rule, trees } = found
      const printed = shorten(printGeneralName(name))
      return {
        code: 'name-constraint',
        message: `${nameOf(certificate)} has the name ${printed}, which ${constraints.by} ${WORDS[rule]}`,
        certificate,
        facts: {
          rule,
          name: printed,
          constraints: trees.slice(0, 50).map(printTree),
          constrainedBy: constraints.by,
        },
      }
    }
  }
  return undefined
}

interface Found {
  rule: NameConstraintFacts['rule']
  trees: readonly GeneralSubtree[]
}

function checkName(
  name: GeneralName,
  { permitted, excluded }: Constraints,
  strict: boolean,
  budget: Budget,
): Found | undefined {
  const kind = kindOf(name)
  const allowed = permitted.get(kind) ?? []
  const forbidden = excluded.get(kind) ?? []
  if (!budget.countComparisons(allowed.length + forbidden.length)) {
    return { rule: 'too-many', trees: [] }
  }
  for (const tree of forbidden) {
    const match = matchTree(name, tree, strict)
    if (match === 'inside' || match === 'partly') return { rule: 'excluded', trees: [tree] }
    if (match !== 'outside') return { rule: match, trees: [tree] }
  }
  let isPermitted = allowed.length === 0
  for (const tree of allowed) {
    const match = matchTree(name, tree, strict)
    if (match !== 'inside' && match !== 'outside' && match !== 'partly') {
      return { rule: match, trees: [tree] }
    }
    if (match === 'inside') isPermitted = true
    if (isPermitted) break
  }
  if (!isPermitted) return { rule: 'not-permitted', trees: allowed }
  // Whoever may name the hosts of one domain only is not meant to speak for every address there is.
  const onlyHosts = permitted.get('dns')
  const hasAddressTrees = permitted.has('ip') || excluded.has('ip')
  return strict && kind === 'ip' && onlyHosts !== undefined && !hasAddressTrees
    ? { rule: 'address-not-permitted', trees: onlyHosts }
    : undefined
}

/** Alternative names, the subject, and the mailboxes in it. */
function* namesOf(
  {
    subject,
    subjectAltNames,
    dnsNames,
  }: Pick<Certificate, 'subject' | 'subjectAltNames'> & { readonly dnsNames: readonly unknown[] },
  reading: CommonNameReading,
): Generator<GeneralName> {
  if (!subject.isEmpty) yield { type: 'directory', value: subject }
  yield* subjectAltNames
  const readsCommonName = reading !== 'unread' && dnsNames.length === 0
  for (const { type, value } of subject.attributes) {
    if (type === EMAIL_ADDRESS) yield { type: 'email', value }
    if (!readsCommonName || type !== COMMON_NAME) continue
    if (reading === 'always' || value.includes('.')) yield { type: 'dns', value }
  }
}

function kindOf(name: GeneralName): string {
  if (name.type === 'invalid-ip') return 'ip'
  return name.type === 'other' ? `other ${name.oid}` : name.type
}

function printTree(tree: GeneralSubtree): string {
  return tree.type === 'ip' ? `IP:${tree.value}` : shorten(printGeneralName(tree))
}

const WORDS = {
  excluded: 'excludes',
  'not-permitted': 'does not permit',
  'address-not-permitted': 'does not permit: it permits hosts and no addresses',
  unsupported: 'constrains in a way nobody can check',
  'malformed-constraint': 'constrains in a malformed way',
  'malformed-name': 'constrains, and it is malformed',
  'too-many': 'constrains with more names than are compared',
} satisfies Record<NameConstraintFacts['rule'], string>
const EMAIL_ADDRESS = '1.2.840.113549.1.9.1'
const COMMON_NAME = '2.5.4.3'
