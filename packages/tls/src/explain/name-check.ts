/**
 * Whether a certificate speaks for a name, and which of its names nearly does.
 *
 * @module
 */
import { isIP } from 'node:net'
import { closest } from '@countersign/core'
import type { Certificate } from '@countersign/x509'
import { describeNames, normalHost } from '../server-name.ts'
import type { NameCheck, NearMiss } from './explanation.ts'
import { plainText } from './plain-text.ts'

/** @param wanted - a host name or an address */
export function checkNames(certificate: Certificate, wanted: string): NameCheck {
  const name = normalHost(wanted)
  const isAddress = isIP(name) !== 0
  const matches = certificate.matchesName(isAddress ? { ip: name } : { dns: name })
  const commonName = certificate.subject.get('commonName')
  return {
    wanted: plainText(name),
    type: isAddress ? 'ip' : 'dns',
    matches,
    presented: describeNames(certificate).slice(0, LARGEST_LIST).map(plainText),
    commonName: commonName === undefined ? undefined : plainText(commonName),
    nearMisses: matches ? [] : nearMisses(certificate, name, commonName),
  }
}

function nearMisses(
  certificate: Certificate,
  name: string,
  commonName: string | undefined,
): NearMiss[] {
  if (certificate.subjectAltNames.length === 0) return [withoutAlternativeName(name, commonName)]
  const dnsNames = certificate.dnsNames.slice(0, LARGEST_LIST)
  const found = dnsNames.flatMap((presented): NearMiss[] => {
    const miss = isIP(name) === 0 ? nearMiss(presented, name) : addressAsDns(presented, name)
    return miss === undefined ? [] : [{ ...miss, name: plainText(presented) }]
  })
  if (found.length > 0 || isIP(name) !== 0) return found.slice(0, MOST_MISSES)
  const similar = closest(name, dnsNames)
  return similar === undefined
    ? []
    : [
        {
          kind: 'spelling',
          name: plainText(similar),
          text: `${plainText(similar)} is spelt nearly the same`,
        },
      ]
}

function withoutAlternativeName(name: string, commonName: string | undefined): NearMiss {
  const isSame = commonName?.toLowerCase() === name
  return {
    kind: isSame ? 'common-name-only' : 'no-alternative-name',
    name: plainText(commonName ?? ''),
    text: isSame
      ? `${name} stands only in the common name, which is not looked at (RFC 9525 §1): the certificate needs it as a subject alternative name`
      : 'the certificate has no subject alternative name at all, and its common name is not looked at (RFC 9525 §1)',
  }
}

type Miss = Omit<NearMiss, 'name'>

function addressAsDns(presented: string, address: string): Miss | undefined {
  if (normalHost(presented) !== address) return undefined
  return {
    kind: 'address-as-dns',
    text: `${address} stands in the certificate as a DNS name, where no client looks for an address: it must be an IP address there`,
  }
}

function nearMiss(presented: string, name: string): Miss | undefined {
  const lower = presented.toLowerCase()
  if (lower.endsWith('.') && lower.slice(0, -1) === name) {
    return {
      kind: 'trailing-dot',
      text: 'the certificate writes the name with a dot at its end, which no client takes',
    }
  }
  if (lower.includes('*')) return nearWildcard(lower, name)
  if (!name.includes('.') && lower.startsWith(`${name}.`)) {
    return {
      kind: 'single-label',
      text: `the certificate has the full name ${plainText(lower)}, and ${name} alone was asked for`,
    }
  }
  if (!lower.includes('.') && name.startsWith(`${lower}.`)) {
    return {
      kind: 'single-label',
      text: `the certificate has ${plainText(lower)} alone, and the full name ${name} was asked for`,
    }
  }
  if (lower.includes('.') && name.endsWith(`.${lower}`)) {
    return {
      kind: 'parent-domain',
      text: `${plainText(lower)} stands for itself, not for the names below it`,
    }
  }
  return undefined
}

function nearWildcard(pattern: string, name: string): Miss | undefined {
  const shown = plainText(pattern)
  if (pattern.startsWith('*.') && !pattern.slice(1).includes('*')) {
    const parent = pattern.slice(1)
    if (parent === `.${name}`) {
      return {
        kind: 'wildcard-depth',
        text: `${shown} covers the names below ${name}, not ${name}`,
      }
    }
    if (!name.endsWith(parent)) return undefined
    return {
      kind: 'wildcard-depth',
      text: parent.includes('.', 1)
        ? `${shown} covers one label only, and ${name} has more`
        : `${shown} would cover every host of a top-level name: no client takes it`,
    }
  }
  return fitsGlob(pattern, name)
    ? {
        kind: 'partial-wildcard',
        text: `${shown}: a wildcard is the whole first label or nothing (RFC 9525 §6.3)`,
      }
    : undefined
}

/** Whether each label fits, stars standing for anything in it. No regular expression: the pattern is a stranger's. */
function fitsGlob(pattern: string, name: string): boolean {
  const labels = name.split('.')
  const patterns = pattern.split('.')
  return (
    labels.length === patterns.length &&
    patterns.every((one, index) => {
      const [head = '', ...rest] = one.split('*')
      const label = labels[index] ?? ''
      if (rest.length === 0) return head === label
      const tail = rest.at(-1) ?? ''
      return (
        label.length >= head.length + tail.length && label.startsWith(head) && label.endsWith(tail)
      )
    })
  )
}

const LARGEST_LIST = 100
const MOST_MISSES = 5
