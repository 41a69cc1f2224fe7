/**
 * General names (RFC 5280 §4.2.1.6): what subject alternative names are made of, in DER.
 *
 * Not here: reading a name that a person typed, see `parse-general-name.ts`.
 *
 * @module
 */
import { DerReader } from './der-reader.ts'
import {
  asciiString,
  context,
  contextPrimitive,
  type DerNode,
  encodeDer,
  oid as oidNode,
} from './der-writer.ts'
import { X509Error } from './errors.ts'
import { bytesToIp, ipToBytes } from './ip-address.ts'
import { Name } from './name.ts'
import { decodeUtf8 } from './name-strings.ts'
import { encodeOid } from './oid.ts'

/** One general name. */
export type GeneralName =
  | { readonly type: 'dns'; readonly value: string }
  /** The canonical text of an address. */
  | { readonly type: 'ip'; readonly value: string }
  | { readonly type: 'email'; readonly value: string }
  | { readonly type: 'uri'; readonly value: string }
  | { readonly type: 'directory'; readonly value: Name }
  /** A dotted object identifier. */
  | { readonly type: 'registered-id'; readonly value: string }
  /** `value` is the DER of the name, whose form `oid` defines. */
  | { readonly type: 'other'; readonly oid: string; readonly value: Uint8Array }
  /** An iPAddress of a length that is no address. */
  | { readonly type: 'invalid-ip'; readonly value: Uint8Array }
  /** Content octets; nobody uses these two. */
  | { readonly type: 'x400' | 'edi-party'; readonly value: Uint8Array }

/** Reads the next general name. */
export function readGeneralName(reader: DerReader, part: string): GeneralName {
  const tag = reader.peek()
  switch (tag) {
    case 0xa0: {
      const other = reader.enter(tag, part)
      const oid = other.oid(part)
      const explicit = other.enter(0xa0, part)
      other.finish(part)
      const value = explicit.element(part)
      explicit.finish(part)
      return { type: 'other', oid, value }
    }
    case 0x81:
      return { type: 'email', value: text(reader.content(tag, part)) }
    case 0x82:
      return { type: 'dns', value: text(reader.content(tag, part)) }
    case 0xa3:
      return { type: 'x400', value: reader.content(tag, part) }
    case 0xa4: {
      // The Name is a CHOICE, so its tag is explicit.
      const explicit = reader.enter(tag, part)
      const value = Name.fromDer(explicit.element(part, 0x30))
      explicit.finish(part)
      return { type: 'directory', value }
    }
    case 0xa5:
      return { type: 'edi-party', value: reader.content(tag, part) }
    case 0x86:
      return { type: 'uri', value: text(reader.content(tag, part)) }
    case 0x87: {
      const bytes = reader.content(tag, part)
      const value = bytesToIp(bytes)
      return value === undefined ? { type: 'invalid-ip', value: bytes } : { type: 'ip', value }
    }
    case 0x88:
      return { type: 'registered-id', value: reader.oid(part, tag) }
    default:
      throw reader.fault(part, 'an unknown kind of general name')
  }
}

/** Reads all that is left as general names. */
export function readGeneralNames(reader: DerReader, part: string): GeneralName[] {
  const names: GeneralName[] = []
  while (!reader.isEmpty) names.push(readGeneralName(reader, part))
  return names
}

/**
 * A general name for writing.
 *
 * @throws {@link X509Error} `name-invalid` where a value cannot be written; `parseGeneralName` checks more
 */
export function generalNameNode(name: GeneralName): DerNode {
  switch (name.type) {
    case 'dns':
      return asciiNode(name.value, 0x82)
    case 'email':
      return asciiNode(name.value, 0x81)
    case 'uri':
      return asciiNode(name.value, 0x86)
    case 'ip': {
      const bytes = ipToBytes(name.value)
      if (bytes !== undefined) return contextPrimitive(7, bytes)
      throw new X509Error('name-invalid', `${JSON.stringify(name.value)} is no IP address`)
    }
    case 'directory':
      return context(4, name.value.der)
    case 'registered-id':
      return contextPrimitive(8, encodeOid(name.value))
    case 'other':
      return context(0, oidNode(name.oid), context(0, name.value))
    case 'invalid-ip':
      return contextPrimitive(7, name.value)
    case 'x400':
      return context(3, name.value)
    case 'edi-party':
      break
  }
  return context(5, name.value)
}

/** The name for people: `DNS:api.corp.internal`, `IP:10.0.0.1`, as OpenSSL prefixes it. */
export function printGeneralName(name: GeneralName): string {
  switch (name.type) {
    case 'dns':
      return `DNS:${name.value}`
    case 'ip':
      return `IP:${name.value}`
    case 'email':
      return `email:${name.value}`
    case 'uri':
      return `URI:${name.value}`
    case 'directory':
      return `DirName:${name.value.toString()}`
    case 'registered-id':
      return `RID:${name.value}`
    case 'other':
      return `other:${name.oid}:${Buffer.from(name.value).toString('hex')}`
    case 'invalid-ip':
      return `IP:invalid:${Buffer.from(name.value).toString('hex')}`
    case 'x400':
    case 'edi-party':
      break
  }
  return `${name.type}:${Buffer.from(name.value).toString('hex')}`
}

/** Whether both are the same name in the same encoding. */
export function equalGeneralNames(a: GeneralName, b: GeneralName): boolean {
  return Buffer.compare(encodeDer(generalNameNode(a)), encodeDer(generalNameNode(b))) === 0
}

function asciiNode(value: string, tag: number): DerNode {
  if (typeof value === 'string' && /^[\u0021-\u007e]+$/.test(value)) return asciiString(value, tag)
  throw new X509Error('name-invalid', `${JSON.stringify(value)} is not printable ASCII`, {
    hint: 'write it in its ASCII form: punycode, percent-encoding',
  })
}

/** IA5String should be ASCII; others write UTF-8 or Latin 1. */
function text(bytes: Uint8Array): string {
  return decodeUtf8(bytes) ?? Buffer.from(bytes).toString('latin1')
}
