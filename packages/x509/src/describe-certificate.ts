/**
 * A certificate in words, for people at a terminal.
 *
 * @module
 */
import type { Certificate } from './certificate.ts'
import type { DistributionPoint, NameConstraints, RawExtension } from './extension-types.ts'
import { printGeneralName } from './general-name.ts'
import { oidName } from './oid-names.ts'

/** Several lines, each a label and a value, without a line feed at the end. */
export function describeCertificate(certificate: Certificate): string {
  const lines = rows(certificate).flatMap(([label, values]) =>
    values.map(
      (value, index) => `${(index === 0 ? label : '').padEnd(LABEL_WIDTH)}${printable(value)}`,
    ),
  )
  return lines.join('\n')
}

function rows(certificate: Certificate): [string, string[]][] {
  const { extensions } = certificate
  const list: [string, (string | undefined)[]][] = [
    ['Subject', [nameText(certificate.subject.toString())]],
    ['Issuer', [issuerText(certificate)]],
    ['Names', certificate.subjectAltNames.map(printGeneralName)],
    ['Valid from', [dateText(certificate.notBefore)]],
    ['Valid to', [dateText(certificate.notAfter)]],
    ['Serial number', [certificate.serialNumber]],
    ['Public key', [certificate.publicKey.description]],
    ['Signature', [certificate.signatureAlgorithm]],
    ['Authority', [authorityText(certificate)]],
    ['Key usage', [extensions.keyUsage?.join(', ')]],
    ['Purposes', [extensions.extendedKeyUsage?.map((usage) => oidName(usage) ?? usage).join(', ')]],
    ['Name constraints', constraintTexts(extensions.nameConstraints)],
    ['Policies', [extensions.certificatePolicies?.map(({ policy }) => policy).join(', ')]],
    ['CRL', pointTexts(extensions.crlDistributionPoints)],
    [
      'Access',
      (extensions.authorityInfoAccess ?? []).map(
        ({ method, location }) => `${method} ${printGeneralName(location)}`,
      ),
    ],
    ['Subject key id', [certificate.subjectKeyId]],
    ['Issuer key id', [certificate.authorityKeyId]],
    ['Other extensions', extensions.unknown.map(extensionText)],
    ['SHA-256', [certificate.fingerprint]],
    ['Version', [certificate.version === 3 ? undefined : String(certificate.version)]],
  ]
  return list.map(([label, values]) => [label, values.filter((value) => value !== undefined)])
}

/** Nothing in a certificate may steer the terminal it is printed on. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
  })
}

function nameText(name: string): string {
  return name === '' ? '(empty)' : name
}

function issuerText(certificate: Certificate): string {
  const text = nameText(certificate.issuer.toString())
  return certificate.isSelfIssued ? `${text} (itself)` : text
}

function authorityText(certificate: Certificate): string | undefined {
  const constraints = certificate.extensions.basicConstraints
  if (constraints?.ca !== true) return constraints === undefined ? undefined : 'no'
  const { pathLength } = constraints
  if (pathLength === undefined) return 'yes'
  if (pathLength === 0) return 'yes, for leaves only'
  return `yes, ${pathLength} further ${pathLength === 1 ? 'level' : 'levels'} of authorities below it`
}

function constraintTexts(constraints: NameConstraints | undefined): string[] {
  if (constraints === undefined) return []
  return [
    ...constraints.permitted.map((tree) => `only ${printGeneralName(tree)}`),
    ...constraints.excluded.map((tree) => `not ${printGeneralName(tree)}`),
  ]
}

function pointTexts(points: readonly DistributionPoint[] | undefined): string[] {
  return (points ?? []).flatMap(({ fullName }) => (fullName ?? []).map(printGeneralName))
}

function extensionText({ oid, critical, value }: RawExtension): string {
  const name = oidName(oid)
  const label = name === undefined ? oid : `${oid} (${name})`
  return `${label}, ${value.length} bytes${critical ? ', critical' : ''}`
}

/** `2026-01-02 03:04:05 UTC` */
function dateText(date: Date): string {
  return `${date.toISOString().slice(0, -5).replace('T', ' ')} UTC`
}

const LABEL_WIDTH = 18
