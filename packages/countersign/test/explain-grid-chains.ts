/**
 * Rows of the grid of `explain` about chains: where they end, and until when they hold.
 *
 * @module
 */
import { Name, PrivateKey } from '@countersign/x509'
import {
  authority,
  damaged,
  days,
  type Deviation,
  flipped,
  type Holder,
  leafOf,
  OID,
  without,
} from './explain-certificates.ts'
import { chainRow as row, type OwnAuthority, type Row } from './explain-grid-row.ts'
import { httpsAt } from './explain-servers.ts'

/** The rows. */
export function chainRows(own: OwnAuthority): Row[] {
  return [...soundRows(), ...anchorRows(own), ...timeRows(own)]
}

const root = authority('Grid Root')
const issuing = authority('Grid Issuing', root)
const other = authority('Other Root')

function soundRows(): Row[] {
  const crossed = authority('Grid Root', other, { key: root.key })
  const middle = authority('Grid Middle', root)
  const lower = authority('Grid Lower', middle)
  const pinned = selfSigned()
  const bare = authority('Bare Root', undefined, { change: without(OID.keyUsage) })
  const lax = authority('Lax Root', undefined, { change: flipped(OID.basicConstraints) })
  const ed = PrivateKey.generateSync('ed25519')
  const accepted = { openssl: 'accepts' } as const
  return [
    row('a leaf and its intermediate', undefined, [leafOf(issuing), issuing], [root]),
    row('a leaf of the root itself', undefined, [leafOf(root)], [root]),
    row('two intermediates', undefined, [leafOf(lower), lower, middle], [root]),
    row('the intermediates in the wrong order', undefined, [leafOf(lower), middle, lower], [root]),
    row('a superfluous certificate', undefined, [leafOf(issuing), issuing, other], [root]),
    row('the root sent along, and trusted', undefined, [leafOf(issuing), issuing, root], [root]),
    row(
      'a root of two that have the same name',
      undefined,
      [leafOf(issuing), issuing],
      [authority('Grid Root'), root],
    ),
    row(
      'a root that another one has signed as well',
      undefined,
      [leafOf(issuing), issuing, crossed],
      [other],
    ),
    row('a self-signed certificate that is trusted itself', undefined, [pinned], [pinned]),
    row('a root without key usage', undefined, [leafOf(bare)], [bare], accepted),
    row(
      'a root whose basic constraints are not critical',
      undefined,
      [leafOf(lax)],
      [lax],
      accepted,
    ),
    row(
      'a leaf without authority key identifier',
      undefined,
      [leafOf(issuing, { change: without(OID.authorityKeyIdentifier) }), issuing],
      [root],
      accepted,
    ),
    ...ODD.map(([what, deviation]) =>
      row(what, undefined, [leafOf(issuing, deviation), issuing], [root], accepted),
    ),
    row('a key of Ed25519', undefined, [leafOf(issuing, { key: ed }), issuing], [root]),
    row('only the intermediate is trusted', undefined, [leafOf(issuing), issuing], [issuing], {
      openssl: 'refuses',
    }),
    row(
      'only the leaf is trusted',
      undefined,
      ...((leaf) => [[leaf, issuing], [leaf]] as const)(leafOf(issuing)),
      { openssl: 'refuses' },
    ),
  ]
}

function anchorRows(own: OwnAuthority): Row[] {
  const renewed = authority('Grid Root')
  const [leaf, self] = [leafOf(issuing), selfSigned()]
  const foreign = leafOf(issuing, { authorityKeyId: Buffer.alloc(20, 1) })
  return [
    row('a root that is not trusted', 'untrusted-root', [leaf, issuing], [other]),
    row(
      'a root that is sent and not trusted',
      'untrusted-root-sent',
      [leaf, issuing, root],
      [other],
    ),
    row(
      'a root that our data folder holds',
      'untrusted-root',
      [leafOf(own.issuer), own.issuer],
      [other],
      {
        caller: 'trusted',
        says: [/data folder|roots\.pem/],
      },
    ),
    row(
      'a root that our data folder holds, sent',
      'untrusted-root-sent',
      [leafOf(own.issuer), own.issuer, own.root],
      [other],
      {
        caller: 'trusted',
      },
    ),
    row(
      'a leaf alone, of an authority nobody knows',
      'untrusted-root',
      [leafOf(authority('Lone Root', undefined, { subject: Name.from({ commonName: 'Lone' }) }))],
      [other],
    ),
    row('a missing intermediate', 'missing-intermediate', [leaf], [root]),
    row(
      'a missing intermediate of our own authority',
      'missing-intermediate',
      [leafOf(own.issuer)],
      [own.root],
      {
        owner: 'trusted',
      },
    ),
    row(
      'a missing intermediate, with a superfluous one',
      'missing-intermediate',
      [leaf, other],
      [root],
    ),
    row('the upper of two intermediates is missing', 'untrusted-root', ...upperMissing()),
    row('a root that was made again', 'key-mismatch', [leaf, issuing], [renewed]),
    row(
      'a root that was made again, and sent',
      'untrusted-root-sent',
      [leaf, issuing, root],
      [renewed],
      { says: [/another key/] },
    ),
    row(
      'an issuer that was made again',
      'key-mismatch',
      [leaf, authority('Grid Issuing', root)],
      [root],
    ),
    row('a leaf that names the key of another issuer', 'key-mismatch', [foreign, issuing], [root]),
    row('a self-signed certificate', 'self-signed', [self], [root]),
    row(
      'a self-signed authority as a server',
      'self-signed',
      [selfSigned({ ca: {}, keyUsage: ['digitalSignature', 'keyCertSign'] })],
      [root],
    ),
    row('a damaged signature of the leaf', 'bad-signature', [damaged(leaf), issuing], [root]),
    row(
      'a damaged signature of an intermediate',
      'bad-signature',
      [leaf, damaged(issuing)],
      [root],
    ),
  ]
}

function upperMissing(): readonly [readonly Holder[], readonly Holder[]] {
  const middle = authority('Grid Middle', root)
  const lower = authority('Grid Lower', middle)
  return [[leafOf(lower), lower], [root]]
}

function timeRows(own: OwnAuthority): Row[] {
  const old = { notBefore: days(-20), notAfter: days(-1) }
  const soon = { notBefore: days(1), notAfter: days(20) }
  const oldIssuing = authority('Old Issuing', root, old)
  const oldRoot = authority('Old Root', undefined, old)
  const newIssuing = authority('New Issuing', root, soon)
  const newRoot = authority('New Root', undefined, soon)
  const late = [leafOf(issuing, old), issuing]
  return [
    row('an expired leaf', 'expired', [leafOf(issuing, old), issuing], [root], {
      says: [new RegExp(old.notAfter.toISOString().slice(0, 10))],
    }),
    row(
      'an expired leaf of our own authority',
      'expired',
      [leafOf(own.issuer, old), own.issuer],
      [own.root],
      {
        owner: 'trusted',
      },
    ),
    {
      what: 'a leaf that has expired here, and not by the clock of its server',
      code: 'expired',
      start: httpsAt(late, days(-2)),
      chain: late,
      roots: [root],
      says: [/172[78]\d\d s behind/, /set the clock of this machine/],
    },
    row('an expired intermediate', 'expired', [leafOf(oldIssuing), oldIssuing], [root], {
      says: [/Old Issuing/],
    }),
    row('an expired root', 'expired', [leafOf(oldRoot)], [oldRoot], { says: [/Old Root/] }),
    row('a leaf that is not valid yet', 'not-yet-valid', [leafOf(issuing, soon), issuing], [root]),
    row(
      'a leaf of our own authority that is not valid yet',
      'not-yet-valid',
      [leafOf(own.issuer, soon), own.issuer],
      [own.root],
      { owner: 'trusted' },
    ),
    row(
      'an intermediate that is not valid yet',
      'not-yet-valid',
      [leafOf(newIssuing), newIssuing],
      [root],
    ),
    row('a root that is not valid yet', 'not-yet-valid', [leafOf(newRoot)], [newRoot]),
  ]
}

/** A server that signs for itself. */
function selfSigned(deviation: Deviation = {}): Holder {
  const key = PrivateKey.generateSync('p256')
  const subject = Name.from({ commonName: 'localhost' })
  const me = { certificate: root.certificate, key }
  return leafOf(me, { key, subject, issuer: subject, ...deviation })
}

/** What is odd about a leaf, and what nobody minds. */
const ODD: readonly (readonly [string, Deviation])[] = [
  ['a serial number of 20 octets', { change: { serialNumber: Buffer.alloc(20, 0x71) } }],
  ['a serial number of 21 octets', { change: { serialNumber: Buffer.alloc(21, 0x71) } }],
  ['the serial number 0', { change: { serialNumber: Uint8Array.of(0) } }],
  ['an end in 2055', { notAfter: new Date('2055-06-01T00:00:00Z') }],
  ['a life of five years', { notAfter: days(1826) }],
  ['an elliptic key that may encipher too', { keyUsage: ['digitalSignature', 'keyEncipherment'] }],
  ['no extended key usage', { extendedKeyUsage: [] }],
  ['no subject key identifier', { change: without(OID.subjectKeyIdentifier) }],
]
