/**
 * Cases of the lint rules about how a certificate is written, and distinguished names.
 *
 * @module
 */
import {
  bitString,
  boolean,
  context,
  contextPrimitive,
  element,
  integer,
  nullValue,
  oid,
  sequence,
  utf8String,
} from '../src/der-writer.ts'
import { OID } from '../src/oid.ts'
import { attribute, name, text } from './hand-made.ts'
import { basic, COMMON_NAME, flagged, subject, usage } from './lint-certificates.ts'

import { type LintCase, spki, plainKey, withKey, utc, general, only, signed } from './lint-case.ts'

/** By rule. */
export const ENCODING_CASES: { [id: string]: LintCase } = {
  // Encoding.
  'version-below-3': {
    profile: 'root',
    refused: {
      version: new Uint8Array(),
      extensions: {
        [OID.basicConstraints]: undefined,
        [OID.keyUsage]: undefined,
        [OID.subjectKeyIdentifier]: undefined,
        [OID.authorityKeyIdentifier]: undefined,
      },
    },
  },
  'version-without-extensions': { profile: 'server', refused: { version: context(0, integer(1)) } },
  'serial-zero': { profile: 'root', refused: { serialNumber: integer(0) } },
  'serial-negative': { profile: 'server', refused: { serialNumber: integer(-(2n ** 100n)) } },
  'serial-too-long': {
    profile: 'server',
    refused: { serialNumber: element(2, new Uint8Array(21).fill(0x5a)) },
    accepted: { serialNumber: element(2, new Uint8Array(20).fill(0x5a)) },
  },
  'serial-short': {
    profile: 'server',
    refused: { serialNumber: integer(2n ** 54n) },
    accepted: { serialNumber: integer(2n ** 56n) },
  },
  'validity-fraction': {
    profile: 'root',
    refused: { validity: sequence(utc('260101000000Z'), general('20510101000000.5Z')) },
    accepted: { validity: sequence(utc('260101000000Z'), general('20500101000000Z')) },
  },
  'validity-form': {
    profile: 'server',
    refused: { validity: sequence(utc('2601010000Z'), utc('260108000000+0100')) },
  },
  'validity-generalized-before-2050': {
    profile: 'server',
    refused: { validity: sequence(utc('260101000000Z'), general('20260108000000Z')) },
  },
  'validity-utc-after-2049': {
    profile: 'server',
    refused: { validity: sequence(utc('260101000000Z'), utc('550101000000Z')) },
    accepted: { validity: sequence(utc('600101000000Z'), utc('700101000000Z')) },
  },
  'extension-twice': {
    profile: 'server',
    refused: { more: [flagged('1.2.3', undefined, nullValue()), usage(['digitalSignature'])] },
    accepted: { more: [flagged('1.2.3', undefined, nullValue())] },
  },
  'extensions-empty': {
    profile: 'server',
    refused: {
      // The list is put where unique identifiers would be, as no extension can make an empty one.
      uniqueIds: [context(3, sequence())],
      extensions: {
        [OID.subjectKeyIdentifier]: undefined,
        [OID.authorityKeyIdentifier]: undefined,
        [OID.keyUsage]: undefined,
        [OID.extendedKeyUsage]: undefined,
        [OID.subjectAltName]: undefined,
      },
    },
  },
  'extension-critical-false': {
    profile: 'client',
    refused: only('1.2.3', flagged('1.2.3', false, nullValue())),
    accepted: only('1.2.3', flagged('1.2.3', undefined, nullValue())),
  },
  'basic-constraints-false': {
    profile: 'server',
    refused: only(OID.basicConstraints, basic(true, boolean(false))),
    accepted: only(OID.basicConstraints, basic(true)),
  },
  'key-usage-padding': {
    profile: 'server',
    refused: only(OID.keyUsage, flagged(OID.keyUsage, true, bitString(Uint8Array.of(0x80), 0))),
  },
  'unique-identifiers': {
    profile: 'server',
    refused: { uniqueIds: [contextPrimitive(1, Uint8Array.of(0, 1))] },
  },
  'algorithm-mismatch': {
    profile: 'server',
    refused: { innerAlgorithm: sequence(oid(OID.ecdsaWithSha384)) },
  },
  'algorithm-parameters': {
    profile: 'server',
    refused: signed(OID.ecdsaWithSha256, nullValue()),
    accepted: signed(OID.sha256WithRsa, nullValue()),
  },
  'key-parameters': {
    profile: 'server',
    refused: withKey(spki(sequence(oid(OID.ed25519), nullValue()), new Uint8Array(32))),
    accepted: withKey(plainKey(OID.ed25519, 32)),
  },

  // Distinguished names.
  'issuer-empty': { profile: 'server', refused: { issuer: name() } },
  'subject-empty-authority': { profile: 'issuer', refused: { subject: name() } },
  'subject-nobody': { profile: 'server', refused: only(OID.subjectAltName, undefined) },
  'name-attribute-too-long': {
    profile: 'client',
    refused: { subject: subject(COMMON_NAME, utf8String('a'.repeat(65))) },
    accepted: { subject: subject(COMMON_NAME, utf8String('😀'.repeat(64))) },
  },
  'name-attribute-empty': {
    profile: 'client',
    refused: { subject: subject(COMMON_NAME, utf8String('')) },
  },
  'name-string-type': {
    profile: 'client',
    refused: { subject: subject(COMMON_NAME, text(0x14, 'alice')) },
    accepted: { subject: subject(COMMON_NAME, text(0x13, 'alice')) },
  },
  'name-country': {
    profile: 'client',
    refused: { subject: subject('2.5.4.6', text(0x13, 'DEU')) },
    accepted: { subject: subject('2.5.4.6', text(0x13, 'DE')) },
  },
  'name-control-characters': {
    profile: 'client',
    refused: { subject: subject(COMMON_NAME, utf8String('alice\0.evil')) },
  },
  'common-name-several': {
    profile: 'client',
    refused: {
      subject: name(
        [attribute(COMMON_NAME, utf8String('a'))],
        [attribute(COMMON_NAME, utf8String('b'))],
      ),
    },
  },
}
