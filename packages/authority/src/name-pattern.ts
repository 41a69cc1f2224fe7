/**
 * Patterns of names, as the rules for requesters have them: which names somebody may ask for.
 *
 * - `api.corp.internal` is this host, `*.corp.internal` every host one label below, `.corp.internal` the domain and everything below.
 * - `10.0.0.7`, `10.0.0.0/8`, `fd00::/8` are addresses; `ann@corp.internal`, `@corp.internal` mailboxes.
 * - `spiffe://corp.internal/web` is this identity, `spiffe://corp.internal/team/` everything below that path.
 * - `hosts` is every host name, `any` every name of every kind, `own` what the requester's own credential proves.
 *
 * A wildcard name is matched by what it stands for; whether wildcards are certified at all is for the rule to say.
 *
 * @module
 */
import { type GeneralName, ipToBytes, parseGeneralName, X509Error } from '@countersign/x509'
import { AuthorityError } from './errors.ts'
import { type IpRange, ipRangeContains, parseIpRange } from './ip-range.ts'
import { nameText } from './subject.ts'

/** One pattern, read. */
export type NamePattern =
  | { readonly kind: 'any' | 'hosts' | 'own' }
  | {
      readonly kind: 'host' | 'below-one' | 'below' | 'mailbox' | 'mail-domain'
      readonly value: string
    }
  | { readonly kind: 'addresses'; readonly range: IpRange }
  | { readonly kind: 'uri' | 'uri-below'; readonly value: string }

/**
 * Reads a pattern.
 *
 * @param option - where it came from, for the message
 * @throws {@link AuthorityError} `option-invalid`
 */
export function parseNamePattern(text: string, option: string): NamePattern {
  if (text === 'any' || text === 'hosts' || text === 'own') return { kind: text }
  const range = parseIpRange(text)
  if (range !== undefined) return { kind: 'addresses', range }
  const pattern = patternOf(text)
  if (pattern !== undefined) return pattern
  throw new AuthorityError(
    'option-invalid',
    `${option}: "${text.slice(0, 200)}" is no pattern of names`,
    {
      hint: 'write api.corp.internal, *.corp.internal, .corp.internal, 10.0.0.0/8, @corp.internal, spiffe://corp.internal/team/, hosts, any or own',
    },
  )
}

/**
 * Whether a pattern covers a name.
 *
 * @param own - what the requester's credential proves, for the pattern `own`
 */
export function patternCovers(
  pattern: NamePattern,
  name: GeneralName,
  own: readonly GeneralName[],
): boolean {
  const text = nameText(name)
  switch (pattern.kind) {
    case 'any':
      return CERTIFIED.has(name.type)
    case 'own':
      return own.some((one) => one.type === name.type && nameText(one) === text)
    case 'addresses': {
      const address = name.type === 'ip' ? ipToBytes(text) : undefined
      return address !== undefined && ipRangeContains(pattern.range, address)
    }
    case 'mailbox':
      return name.type === 'email' && sameMailbox(text, pattern.value)
    case 'mail-domain':
      return name.type === 'email' && domainOf(text) === pattern.value
    case 'uri':
      return name.type === 'uri' && text === pattern.value
    case 'uri-below':
      return (
        name.type === 'uri' && text.length > pattern.value.length && text.startsWith(pattern.value)
      )
    case 'hosts':
      return name.type === 'dns'
    case 'host':
      return name.type === 'dns' && text === pattern.value
    case 'below':
      return name.type === 'dns' && isBelow(text, pattern.value)
    case 'below-one':
  }
  // One label and no more: `*.corp.internal` covers itself, and not `*.a.corp.internal`.
  return name.type === 'dns' && text.slice(text.indexOf('.') + 1) === pattern.value
}

/** A wildcard is below where everything it stands for is. */
function isBelow(host: string, domain: string): boolean {
  const plain = host.startsWith('*.') ? host.slice(2) : host
  return plain === domain || plain.endsWith(`.${domain}`)
}

function patternOf(text: string): NamePattern | undefined {
  const [, lead, rest = ''] = /^(\*\.|\.|@)?(.*)$/s.exec(text) ?? []
  const name = readName(rest)
  if (name === undefined) return undefined
  if (name.type === 'dns' && !name.value.startsWith('*')) {
    const { value } = name
    if (lead === '*.') return { kind: 'below-one', value }
    if (lead === '.') return { kind: 'below', value }
    return { kind: lead === '@' ? 'mail-domain' : 'host', value }
  }
  if (lead !== undefined) return undefined
  if (name.type === 'email') return { kind: 'mailbox', value: name.value }
  // Below a path: the identity without its last slash is one that could be certified.
  return name.type === 'uri' && name.value.startsWith('spiffe://')
    ? rest.endsWith('/')
      ? { kind: 'uri-below', value: `${name.value}/` }
      : { kind: 'uri', value: name.value }
    : undefined
}

/** A name as it is certified; a path of a SPIFFE ID may end with a slash here. */
function readName(text: string): GeneralName | undefined {
  const isPath = /^spiffe:\/\/.*\/$/i.test(text)
  // A trust domain alone is no identity: one below it is read in its place.
  const whole = isPath ? `${text}x` : text
  try {
    const name = parseGeneralName(whole)
    return isPath && name.type === 'uri' ? { type: 'uri', value: name.value.slice(0, -2) } : name
  } catch (error) {
    if (error instanceof X509Error) return undefined
    throw error
  }
}

/** The part before the at sign has a case, the domain has none (RFC 5321 §2.4). */
function sameMailbox(one: string, other: string): boolean {
  const at = one.lastIndexOf('@')
  return (
    one.slice(0, at) === other.slice(0, other.lastIndexOf('@')) && domainOf(one) === domainOf(other)
  )
}

function domainOf(mailbox: string): string {
  return mailbox.slice(mailbox.lastIndexOf('@') + 1).toLowerCase()
}

const CERTIFIED: ReadonlySet<GeneralName['type']> = new Set(['dns', 'ip', 'email', 'uri'])
