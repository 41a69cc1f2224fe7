/**
 * The extensions that this project writes, as DER.
 *
 * @module
 */
import {
  asciiString,
  bitString,
  boolean,
  context,
  contextPrimitive,
  type DerNode,
  encodeDer,
  integer,
  octetString,
  oid,
  sequence,
} from './der-writer.ts'
import { X509Error } from './errors.ts'
import {
  EXTENDED_KEY_USAGES,
  type GeneralSubtree,
  KEY_USAGES,
  type KeyUsage,
  type RawExtension,
} from './extension-types.ts'
import { type GeneralName, generalNameNode } from './general-name.ts'
import { ipRangeToBytes } from './ip-address.ts'
import { isOid, OID } from './oid.ts'

/** An extension around the DER of its value. */
function extensionNode(dotted: string, critical: boolean, value: DerNode): DerNode {
  const id = oid(dotted)
  return critical
    ? sequence(id, boolean(true), octetString(value))
    : sequence(id, octetString(value))
}

/** An extension as it is, bytes in, bytes out. */
export function rawExtensionNode(extension: RawExtension): DerNode {
  return extensionNode(extension.oid, extension.critical, extension.value)
}

/** Critical (RFC 5280 §4.2.1.9), written for authorities only. */
export function caConstraintsNode(pathLength: number | undefined): DerNode {
  if (pathLength === undefined) return CA_WITHOUT_PATH_LENGTH
  if (!Number.isInteger(pathLength) || pathLength < 0 || pathLength > 255) {
    throw new X509Error('template-invalid', `pathLength must be a whole number from 0 to 255`)
  }
  return extensionNode(OID.basicConstraints, true, sequence(boolean(true), integer(pathLength)))
}

/** Critical. */
export function keyUsageNode(usages: readonly KeyUsage[]): DerNode {
  return cached(KEY_USAGE_CACHE, usages, () => {
    let bits = 0
    for (const usage of usages) {
      const index = KEY_USAGES.indexOf(usage)
      if (index === -1) {
        throw new X509Error('template-invalid', `unknown key usage "${usage}"`, {
          hint: `known: ${KEY_USAGES.join(', ')}`,
        })
      }
      bits |= 0x8000 >> index
    }
    if (bits === 0) throw new X509Error('template-invalid', 'keyUsage must name one usage or more')
    return extensionNode(OID.keyUsage, true, namedBits(bits))
  })
}

/** Not critical. */
export function extendedKeyUsageNode(usages: readonly string[]): DerNode {
  return cached(EXTENDED_KEY_USAGE_CACHE, usages, () => {
    const list = usages.map((usage) => {
      const dotted = EXTENDED_KEY_USAGES.get(usage) ?? usage
      if (isOid(dotted)) return oid(dotted)
      throw new X509Error('template-invalid', `unknown extended key usage "${usage}"`, {
        hint: `known: ${[...EXTENDED_KEY_USAGES.keys()].join(', ')}, or a dotted object identifier`,
      })
    })
    return extensionNode(OID.extendedKeyUsage, false, sequence(...list))
  })
}

/** Not critical. */
export function subjectKeyIdNode(keyId: Uint8Array): DerNode {
  return extensionNode(OID.subjectKeyIdentifier, false, octetString(keyId))
}

/** Key identifier only: with issuer and serial number a reissued authority would break every leaf. */
export function authorityKeyIdNode(keyId: Uint8Array): DerNode {
  return extensionNode(OID.authorityKeyIdentifier, false, sequence(contextPrimitive(0, keyId)))
}

/** Critical where it is the only name (RFC 5280 §4.2.1.6). */
export function subjectAltNameNode(names: readonly GeneralName[], critical: boolean): DerNode {
  return extensionNode(OID.subjectAltName, critical, sequence(...names.map(generalNameNode)))
}

/** Critical (RFC 5280 §4.2.1.10). */
export function nameConstraintsNode(
  permitted: readonly GeneralSubtree[],
  excluded: readonly GeneralSubtree[],
): DerNode {
  const parts: DerNode[] = []
  if (permitted.length > 0) parts.push(context(0, ...permitted.map(subtreeNode)))
  if (excluded.length > 0) parts.push(context(1, ...excluded.map(subtreeNode)))
  if (parts.length === 0) {
    throw new X509Error('template-invalid', 'nameConstraints must permit or exclude something')
  }
  return extensionNode(OID.nameConstraints, true, sequence(...parts))
}

/** One distribution point a URL: each holds the whole list. */
export function distributionPointsNode(urls: readonly string[]): DerNode {
  const points = urls.map((url) => sequence(context(0, context(0, uriNode(url)))))
  return extensionNode(OID.crlDistributionPoints, false, sequence(...points))
}

/** Not critical. */
export function authorityInfoAccessNode(
  ocsp: readonly string[],
  caIssuers: readonly string[],
): DerNode {
  return extensionNode(
    OID.authorityInfoAccess,
    false,
    sequence(
      ...ocsp.map((url) => sequence(oid(OID.ocsp), uriNode(url))),
      ...caIssuers.map((url) => sequence(oid(OID.caIssuers), uriNode(url))),
    ),
  )
}

/** Not critical; policies without qualifiers, as RFC 5280 §4.2.1.4 recommends. */
export function certificatePoliciesNode(policies: readonly string[]): DerNode {
  return extensionNode(
    OID.certificatePolicies,
    false,
    sequence(...policies.map((policy) => sequence(oid(policy)))),
  )
}

/** A named bit list ends with its last set bit (X.690 §11.2.2). */
function namedBits(bits: number): DerNode {
  const bytes = (bits & 0xff) === 0 ? [bits >> 8] : [bits >> 8, bits & 0xff]
  const last = bytes.at(-1) ?? 0
  return bitString(Uint8Array.from(bytes), 31 - Math.clz32(last & -last))
}

function uriNode(url: string): DerNode {
  return generalNameNode({ type: 'uri', value: url })
}

function subtreeNode(tree: GeneralSubtree): DerNode {
  if (tree.type === 'ip') {
    const range = ipRangeToBytes(tree.value)
    if (range !== undefined) return sequence(contextPrimitive(7, range))
    throw new X509Error('name-invalid', `${JSON.stringify(tree.value)} is no range of addresses`, {
      hint: 'write it like 10.0.0.0/8 or fd00::/8, with no bits set behind the prefix',
    })
  }
  // An empty name is the tree of all names.
  if ((tree.type === 'dns' || tree.type === 'email' || tree.type === 'uri') && tree.value === '') {
    return sequence(asciiString('', TREE_TAGS[tree.type]))
  }
  return sequence(generalNameNode(tree))
}

function cached(
  cache: Map<string, Uint8Array>,
  usages: readonly string[],
  make: () => DerNode,
): Uint8Array {
  // With their number: ['a b'] is not ['a', 'b'].
  const key = `${usages.length} ${usages.join(' ')}`
  let encoded = cache.get(key)
  if (encoded === undefined) {
    encoded = encodeDer(make())
    if (cache.size < 100) cache.set(key, encoded)
  }
  return encoded
}

const TREE_TAGS = { email: 0x81, dns: 0x82, uri: 0x86 } as const
const CA_WITHOUT_PATH_LENGTH = encodeDer(
  extensionNode(OID.basicConstraints, true, sequence(boolean(true))),
)
const KEY_USAGE_CACHE = new Map<string, Uint8Array>()
const EXTENDED_KEY_USAGE_CACHE = new Map<string, Uint8Array>()
