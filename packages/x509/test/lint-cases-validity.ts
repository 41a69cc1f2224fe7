/**
 * Cases of the lint rules about validity, and what cannot be read.
 *
 * @module
 */
import { nullValue, sequence } from '../src/der-writer.ts'
import { OID } from '../src/oid.ts'
import { type Changes, flagged, purposes, validity } from './lint-certificates.ts'

import { type LintCase, ocspSigning, only, year } from './lint-case.ts'

/** By rule. */
export const VALIDITY_CASES: { [id: string]: LintCase } = {
  // Validity.
  'validity-inverted': {
    profile: 'server',
    refused: { validity: validity('2026-02-01', '2026-01-01') },
  },
  'server-lifetime': { profile: 'server', refused: year(3), accepted: year(2) },
  'leaf-lifetime': { profile: 'client', refused: year(3), accepted: year(2) },
  'ocsp-signer-lifetime': {
    profile: 'leaf',
    refused: ocspSigner('2026-06-01'),
    accepted: ocspSigner('2026-03-01'),
  },
  'issuer-lifetime': { profile: 'issuer', refused: year(11), accepted: year(9) },
  'root-lifetime': { profile: 'root', refused: year(30), accepted: year(20) },
  'not-yet-valid': {
    profile: 'server',
    refused: { validity: validity('2027-01-01', '2027-01-08') },
    accepted: { validity: validity('2026-06-15', '2026-06-20') },
    time: new Date('2026-06-15'),
  },
  expired: {
    profile: 'server',
    refused: { validity: validity('2026-01-01', '2026-01-08') },
    accepted: { validity: validity('2026-06-10', '2026-06-15') },
    time: new Date('2026-06-15'),
  },
  'root-expired': {
    profile: 'root',
    refused: { validity: validity('2016-01-01', '2026-01-01') },
    accepted: { validity: validity('2016-01-01', '2026-06-15') },
    time: new Date('2026-06-15'),
  },

  // What cannot be read.
  'part-unreadable': {
    profile: 'server',
    refused: only(OID.keyUsage, flagged(OID.keyUsage, true, sequence())),
  },
  'certificate-unreadable': { profile: 'server', refused: { subject: new Uint8Array([5, 0]) } },
}

function ocspSigner(until: string): Changes {
  return {
    validity: validity('2026-01-01', until),
    extensions: {
      [OID.extendedKeyUsage]: purposes(ocspSigning),
      [OID.ocspNoCheck]: flagged(OID.ocspNoCheck, undefined, nullValue()),
    },
  }
}
