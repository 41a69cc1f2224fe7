/**
 * Rows of the grid of `explain` about what a certificate may do and what it is made of.
 *
 * @module
 */
import { generateKeyPairSync } from 'node:crypto'
import { PrivateKey } from '@countersign/x509'
import {
  authority,
  type Deviation,
  type Holder,
  instead,
  leafOf,
  NO_AUTHORITY,
  OID,
  shaOneSigner,
  SIGNS_DATA_ONLY,
  UNKNOWN_CRITICAL,
  without,
} from './explain-certificates.ts'
import { chainRow as row, type OwnAuthority, type Row } from './explain-grid-row.ts'

/** The rows. */
export function authorityRows(own: OwnAuthority): Row[] {
  return [...usageRows(own), ...weakRows(own)]
}

const root = authority('Grid Root')
const issuing = authority('Grid Issuing', root)

function usageRows(own: OwnAuthority): Row[] {
  const below = (name: string, deviation: Deviation, by = root): readonly Holder[] => {
    const middle = authority(name, by, deviation)
    return [leafOf(middle), middle]
  }
  const none = below('No Authority', { change: instead(NO_AUTHORITY) })
  const short = authority('Short', root, { ca: { pathLength: 0 } })
  const tooLow = authority('Too Low', short)
  const flat = authority('Flat Root', undefined, { ca: { pathLength: 0 } })
  const extra = authority('Extra', flat)
  const versionOne = authority('Version One Root', undefined, { change: { versionOne: true } })
  const client = { extendedKeyUsage: ['clientAuth'] }
  const cipher: Deviation = { keyUsage: ['keyEncipherment'] }
  const plain = leafOf(issuing)
  return [
    row('an intermediate that is no authority', 'not-a-ca', none, [root]),
    row(
      'an intermediate without basic constraints',
      'not-a-ca',
      below('No Constraints', { change: without(OID.basicConstraints) }),
      [root],
    ),
    row(
      'an intermediate that may not sign certificates',
      'not-a-ca',
      below('No Signer', { change: instead(SIGNS_DATA_ONLY) }),
      [root],
    ),
    row(
      'an intermediate of version 1',
      'not-a-ca',
      below('Version One', { change: { versionOne: true } }),
      [root],
    ),
    row('a leaf that has signed another', 'not-a-ca', [leafOf(plain), plain, issuing], [root]),
    row('a root of version 1', undefined, [leafOf(versionOne)], [versionOne], {
      openssl: 'accepts',
    }),
    row(
      'an intermediate with path length 0 above another',
      'path-too-long',
      [leafOf(tooLow), tooLow, short],
      [root],
    ),
    row(
      'a root with path length 0 above an intermediate',
      'path-too-long',
      [leafOf(extra), extra],
      [flat],
    ),
    row('a leaf for clients', 'wrong-purpose', [leafOf(issuing, client), issuing], [root]),
    row(
      'a leaf for clients of our own authority',
      'wrong-purpose',
      [leafOf(own.issuer, client), own.issuer],
      [own.root],
      {
        owner: 'trusted',
      },
    ),
    row('an intermediate for clients', 'wrong-purpose', below('Clients', client), [root]),
    row(
      'an elliptic key that may only encipher',
      undefined,
      [leafOf(issuing, cipher), issuing],
      [root],
      { openssl: 'accepts' },
    ),
    row(
      'a leaf with a critical extension nobody knows',
      'critical-extension',
      [leafOf(issuing, { extraExtensions: [UNKNOWN_CRITICAL] }), issuing],
      [root],
      {
        says: [/1\.3\.6\.1\.4\.1\.55555\.1/],
      },
    ),
    row(
      'a leaf of our own authority with a critical extension nobody knows',
      'critical-extension',
      [leafOf(own.issuer, { extraExtensions: [UNKNOWN_CRITICAL] }), own.issuer],
      [own.root],
      { owner: 'trusted' },
    ),
    row(
      'an intermediate with a critical extension nobody knows',
      'critical-extension',
      below('Unknown', { extraExtensions: [UNKNOWN_CRITICAL] }),
      [root],
    ),
  ]
}

function weakRows(own: OwnAuthority): Row[] {
  const short = PrivateKey.parse(
    generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({
      type: 'pkcs8',
      format: 'der',
    }),
  )
  const weak = { weak: true }
  const shortIssuing = authority('Short Key', root, { key: short })
  const shaIssuing = authority('Old Hash', root, { signer: shaOneSigner(root.key) })
  return [
    row(
      'a key of RSA 1024',
      'weak-crypto',
      [leafOf(issuing, { key: short }), issuing],
      [root],
      weak,
    ),
    row(
      'a key of RSA 1024 of our own authority',
      'weak-crypto',
      [leafOf(own.issuer, { key: short }), own.issuer],
      [own.root],
      {
        weak: true,
        owner: 'trusted',
      },
    ),
    row(
      'an intermediate of RSA 1024',
      'weak-crypto',
      [leafOf(shortIssuing), shortIssuing],
      [root],
      weak,
    ),
    row(
      'a signature of SHA-1',
      'weak-crypto',
      [leafOf(issuing, { signer: shaOneSigner(issuing.key) }), issuing],
      [root],
      weak,
    ),
    row(
      'an intermediate signed with SHA-1',
      'weak-crypto',
      [leafOf(shaIssuing), shaIssuing],
      [root],
      weak,
    ),
  ]
}
