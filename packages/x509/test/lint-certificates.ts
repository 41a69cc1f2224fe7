/**
 * A sound certificate of every profile, and the same with one thing wrong.
 *
 * @module
 */
import {
  bitString,
  boolean,
  context,
  contextPrimitive,
  type DerNode,
  integer,
  octetString,
  oid,
  sequence,
  time,
  utf8String,
} from '../src/der-writer.ts'
import { KEY_USAGES, type KeyUsage } from '../src/extension-types.ts'
import type { LintProfile } from '../src/lint-rule.ts'
import { OID } from '../src/oid.ts'
import { attribute, handKey, handMade, type HandMadeParts, name, text } from './hand-made.ts'

/** What differs from the sound certificate; an extension that is `undefined` is left out. */
export interface Changes extends Omit<HandMadeParts, 'extensions'> {
  extensions?: { [oid: string]: DerNode | undefined } | undefined
  /** Behind the others. */
  more?: DerNode[] | undefined
}

/** DER of a certificate that has nothing wrong, but for the changes. */
export function lintable(profile: LintProfile, changes: Changes = {}): Uint8Array {
  const { extensions = {}, more = [], ...parts } = changes
  const written = { ...EXTENSIONS[profile], ...extensions }
  return handMade({
    version: context(0, integer(2)),
    serialNumber: integer(0x1234_5678_9abc_def0_1234_5678_9abc_def0n),
    subject: profile === 'root' ? ISSUER : profile === 'server' ? name() : SUBJECT,
    issuer: ISSUER,
    validity: validity('2026-01-01', profile === 'root' ? '2036-01-01' : '2026-01-08'),
    ...parts,
    extensions: [...Object.values(written).filter((node) => node !== undefined), ...more],
  })
}

/** The validity, from dates. */
export function validity(from: string, to: string): DerNode {
  return sequence(time(new Date(from)), time(new Date(to)))
}

/** An extension, its flag as it is given: `false` is written out. */
export function flagged(dotted: string, critical: boolean | undefined, value: DerNode): DerNode {
  const flag = critical === undefined ? [] : [boolean(critical)]
  return sequence(oid(dotted), ...flag, octetString(value))
}

/** Key usage. */
export function usage(usages: readonly KeyUsage[], critical: boolean | undefined = true): DerNode {
  let bits = 0
  for (const one of usages) bits |= 0x8000 >> KEY_USAGES.indexOf(one)
  if (bits === 0) return flagged(OID.keyUsage, critical, bitString(new Uint8Array()))
  const bytes = (bits & 0xff) === 0 ? [bits >> 8] : [bits >> 8, bits & 0xff]
  const last = bytes.at(-1) ?? 0
  const unused = 31 - Math.clz32(last & -last)
  return flagged(OID.keyUsage, critical, bitString(Uint8Array.from(bytes), unused))
}

/** Subject alternative names. */
export function alt(critical: boolean | undefined, ...names: readonly DerNode[]): DerNode {
  return flagged(OID.subjectAltName, critical, sequence(...names))
}

/** A dNSName. */
export function dns(value: string): DerNode {
  return text(0x82, Buffer.from(value, 'utf8'))
}

/** Extended key usage. */
export function purposes(...dotted: readonly string[]): DerNode {
  return flagged(OID.extendedKeyUsage, undefined, sequence(...dotted.map((one) => oid(one))))
}

/** Basic constraints with these fields. */
export function basic(critical: boolean | undefined, ...fields: readonly DerNode[]): DerNode {
  return flagged(OID.basicConstraints, critical, sequence(...fields))
}

/** Name constraints of permitted and excluded trees. */
export function constraints(
  permitted: readonly DerNode[],
  excluded: readonly DerNode[] = [],
  critical: boolean | undefined = true,
): DerNode {
  const value = sequence(...subtrees(0, permitted), ...subtrees(1, excluded))
  return flagged(OID.nameConstraints, critical, value)
}

function subtrees(number: number, trees: readonly DerNode[]): DerNode[] {
  return trees.length === 0 ? [] : [context(number, ...trees.map((tree) => sequence(tree)))]
}

/** A range as hex of address and mask. */
export function range(hex: string): DerNode {
  return contextPrimitive(7, Buffer.from(hex, 'hex'))
}

/** CRL distribution points of URLs. */
export function points(critical: boolean | undefined, ...urls: readonly string[]): DerNode {
  const list = urls.map((url) => sequence(context(0, context(0, text(0x86, url)))))
  return flagged(OID.crlDistributionPoints, critical, sequence(...list))
}

/** Authority information access. */
export function access(method: string, url: string): DerNode {
  return flagged(
    OID.authorityInfoAccess,
    undefined,
    sequence(sequence(oid(method), text(0x86, url))),
  )
}

/** A subject of one attribute. */
export function subject(type: string, value: DerNode): DerNode {
  return name([attribute(type, value)])
}

/** An authority key identifier with nothing but the identifier. */
export function authorityKeyId(keyId: Uint8Array): DerNode {
  return flagged(OID.authorityKeyIdentifier, undefined, sequence(contextPrimitive(0, keyId)))
}

/** Any name that is constrained so that nothing gets through. */
export const ALL_CONSTRAINED: readonly DerNode[] = [
  dns('corp.internal'),
  range('0a000000ff000000'),
  text(0x81, 'corp.internal'),
  text(0x86, 'corp.internal'),
]
export const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
export const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
export const CODE_SIGNING = '1.3.6.1.5.5.7.3.3'
export const COMMON_NAME = '2.5.4.3'

const ISSUER = subject(COMMON_NAME, utf8String('Lint Issuer'))
const SUBJECT = subject(COMMON_NAME, utf8String('alice'))
const KEY_ID = handKey.publicKey.keyId()
const EVERY: Record<string, DerNode> = {
  [OID.subjectKeyIdentifier]: flagged(OID.subjectKeyIdentifier, undefined, octetString(KEY_ID)),
  [OID.authorityKeyIdentifier]: authorityKeyId(new Uint8Array(20).fill(0x1a)),
}
const AUTHORITY: Record<string, DerNode> = {
  [OID.basicConstraints]: basic(true, boolean(true), integer(0)),
  [OID.keyUsage]: usage(['keyCertSign', 'cRLSign']),
  ...EVERY,
}
const LEAF: Record<string, DerNode> = { [OID.keyUsage]: usage(['digitalSignature']), ...EVERY }
const EXTENSIONS: Record<LintProfile, Record<string, DerNode>> = {
  root: { ...AUTHORITY, [OID.authorityKeyIdentifier]: authorityKeyId(KEY_ID) },
  issuer: AUTHORITY,
  server: {
    ...LEAF,
    [OID.extendedKeyUsage]: purposes(SERVER_AUTH),
    [OID.subjectAltName]: alt(true, dns('api.corp.internal')),
  },
  client: {
    ...LEAF,
    [OID.extendedKeyUsage]: purposes(CLIENT_AUTH),
    [OID.subjectAltName]: alt(undefined, text(0x86, 'spiffe://corp.internal/alice')),
  },
  leaf: {
    ...LEAF,
    [OID.extendedKeyUsage]: purposes(CODE_SIGNING),
    [OID.subjectAltName]: alt(undefined, text(0x81, 'alice@corp.internal')),
  },
}
