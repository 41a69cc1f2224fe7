/**
 * Host names as certificates hold them: lower case, punycode, letters, digits and hyphens (RFC 1123, RFC 5890).
 *
 * @module
 */
import { domainToASCII } from 'node:url'
import { X509Error } from './errors.ts'
import { isIPv4 } from './ip-text.ts'

/**
 * A host name in the form that goes into a certificate: `Büro.example` becomes `xn--bro-hoa.example`. A wildcard may
 * stand as the whole left-most label.
 *
 * @throws {@link X509Error} `name-invalid`, with what to write instead
 */
export function normaliseHostName(text: string): string {
  const isWildcard = text.startsWith('*.')
  const name = toAscii(isWildcard ? text.slice(2) : text)
  const problem = name === undefined ? UNUSABLE : hostNameProblem(name)
  if (problem !== undefined) {
    const quoted = JSON.stringify(text.length > 300 ? `${text.slice(0, 300)}…` : text)
    throw new X509Error('name-invalid', `${quoted} is no host name: ${problem.fault}`, {
      hint: problem.hint,
    })
  }
  return isWildcard ? `*.${name}` : (name ?? '')
}

/**
 * The form under which a name that somebody wants to reach is compared: lower case, punycode, without the dot at the end.
 *
 * @returns `undefined` where it cannot be any host's name
 */
export function referenceHostName(text: string): string | undefined {
  const name = toAscii(text.endsWith('.') ? text.slice(0, -1) : text)
  // An address is proved by an iPAddress only; as a DNS name `*.0.0.1` would cover 127.0.0.1.
  if (name !== undefined && isIPv4(name)) return undefined
  // Underscores are in no certificate of ours, but hosts with them exist and other authorities issue for them.
  return name !== undefined && /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(name) ? name : undefined
}

function toAscii(text: string): string | undefined {
  // Left alone where it can be: domainToASCII reads `0x7f.1` as an address and writes 127.0.0.1.
  if (/^[\u0020-\u007e]*$/.test(text)) return text.toLowerCase()
  if (/[\p{Cc}\s/:@?#%]/u.test(text)) return undefined
  return domainToASCII(text) || undefined
}

interface Problem {
  fault: string
  hint: string
}

function hostNameProblem(name: string): Problem | undefined {
  if (name === '') return { fault: 'it is empty', hint: 'write a name like api.corp.internal' }
  if (name.endsWith('.')) return { fault: 'it ends in a dot', hint: 'leave the dot at the end out' }
  if (/^[^/]+:\d+$/.test(name)) return { fault: 'it has a port', hint: 'leave the port out' }
  if (name.includes('/')) return { fault: 'it has a slash', hint: 'leave the path out' }
  if (name.includes('*')) {
    return {
      fault: 'a wildcard may only be the whole first label',
      hint: 'write it like *.corp.internal',
    }
  }
  if (name.includes('_')) {
    return {
      fault: 'it has an underscore',
      hint: 'use a hyphen: no browser accepts underscores in certificates',
    }
  }
  if (name.length > 253)
    return { fault: `it has ${name.length} characters`, hint: 'at most 253 are allowed' }
  const labels = name.split('.')
  for (const label of labels) {
    if (label === '') return { fault: 'it has an empty label', hint: 'put one dot between labels' }
    if (label.length > 63)
      return { fault: 'a label has more than 63 characters', hint: 'shorten it' }
    if (!/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(label)) {
      return {
        fault: `the label ${JSON.stringify(label)} is not made of letters, digits and inner hyphens`,
        hint: 'use letters, digits, hyphens and dots',
      }
    }
  }
  // A last label of digits reads as an address to every URL parser.
  if (/^(?:\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? '')) {
    return {
      fault: 'its last label is a number',
      hint: 'an IPv4 address has four numbers from 0 to 255',
    }
  }
  return undefined
}

const UNUSABLE: Problem = {
  fault: 'it has characters no host name can have',
  hint: 'use letters, digits, hyphens and dots',
}
