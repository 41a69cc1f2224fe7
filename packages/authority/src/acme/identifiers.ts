/**
 * What is ordered: host names and addresses (RFC 8555 §9.7.7, RFC 8738), each in the one form that certificates hold.
 *
 * @module
 */
import { type GeneralName, parseGeneralName, X509Error } from '@countersign/x509'
import type { Asker } from '../requester-rules.ts'
import { members, requiredText } from './json.ts'
import { AcmeProblem, malformed } from './problem.ts'
import type { ChallengeType, Identifier } from './schema.ts'

/**
 * Reads an identifier of a request.
 *
 * @throws AcmeProblem `malformed`, `unsupportedIdentifier`, `rejectedIdentifier`
 */
export function parseIdentifier(value: unknown): Identifier {
  const given = members(value, 'an identifier')
  const type = requiredText(given, 'type', 'an identifier')
  const text = requiredText(given, 'value', 'an identifier')
  if (type !== 'dns' && type !== 'ip') {
    throw new AcmeProblem('unsupportedIdentifier', 'identifiers are of type dns or ip')
  }
  if (!/^[\u0021-\u007e]{1,255}$/.test(text)) {
    throw malformed('an identifier is 1 to 255 characters of ASCII; other letters in punycode')
  }
  const name = nameOf(text)
  if (name === undefined || name.type !== type || /[[\]]/.test(text)) {
    throw new AcmeProblem('rejectedIdentifier', `"${text}" is no ${KINDS[type]}`)
  }
  if (type === 'ip' && name.value.startsWith('::ffff:')) {
    throw new AcmeProblem('rejectedIdentifier', `"${text}" is an IPv4 address in disguise`)
  }
  return { type, value: name.value }
}

/** The identifiers of an order, each once. @throws AcmeProblem as {@link parseIdentifier} */
export function parseIdentifiers(list: readonly unknown[], most: number): Identifier[] {
  if (list.length === 0) throw malformed('an order has one identifier or more')
  if (list.length > most) {
    throw new AcmeProblem('rejectedIdentifier', `an order has at most ${most} identifiers`)
  }
  const identifiers = list.map((one) => parseIdentifier(one))
  return [...new Map(identifiers.map((one) => [identifierKey(one), one])).values()]
}

/** One text for an identifier, to compare by. */
export function identifierKey({ type, value }: Identifier): string {
  return `${type}:${value}`
}

/** An account, as the rules of the policy see it: what it orders is certified once it is proven. */
export function acmeAsker(account: string, identifiers: readonly Identifier[]): Asker {
  return { via: 'acme', name: account, own: identifiers }
}

/** Whether it is a wildcard, and the name that is validated for it. */
export function validatedName({ type, value }: Identifier): { value: string; wildcard: boolean } {
  return type === 'dns' && value.startsWith('*.')
    ? { value: value.slice(2), wildcard: true }
    : { value, wildcard: false }
}

/** How a name can be validated: a wildcard by DNS only (RFC 8555 §7.1.3), an address never by it (RFC 8738 §7). */
export function challengeTypes(type: Identifier['type'], wildcard: boolean): ChallengeType[] {
  if (wildcard) return ['dns-01']
  return type === 'ip' ? ['http-01', 'tls-alpn-01'] : ['http-01', 'dns-01', 'tls-alpn-01']
}

/** The identifier of a name in a request or certificate, or `undefined` for the kinds that are never ordered. */
export function identifierOf(name: GeneralName): Identifier | undefined {
  if (name.type !== 'dns' && name.type !== 'ip') return undefined
  const read = nameOf(name.value)
  return read?.type === name.type ? { type: name.type, value: read.value } : undefined
}

function nameOf(text: string): (GeneralName & { type: 'dns' | 'ip' }) | undefined {
  try {
    const name = parseGeneralName(text)
    return name.type === 'dns' || name.type === 'ip' ? name : undefined
  } catch (error) {
    if (error instanceof X509Error) return undefined
    throw error
  }
}

const KINDS = { dns: 'host name', ip: 'IP address' } as const
