/**
 * Cases of the lint rules about subject alternative names.
 *
 * @module
 */
import { contextPrimitive, utf8String } from '../src/der-writer.ts'
import { OID } from '../src/oid.ts'
import { text } from './hand-made.ts'
import { alt, COMMON_NAME, dns, range, subject } from './lint-certificates.ts'

import { type LintCase, names, only } from './lint-case.ts'

/** By rule. */
export const NAMES_CASES: { [id: string]: LintCase } = {
  // Subject alternative names.
  'san-missing': { profile: 'server', refused: only(OID.subjectAltName, undefined) },
  'client-san-missing': { profile: 'client', refused: only(OID.subjectAltName, undefined) },
  'san-empty': { profile: 'server', refused: only(OID.subjectAltName, alt(true)) },
  'san-not-critical': {
    profile: 'server',
    refused: only(OID.subjectAltName, alt(undefined, dns('api.corp.internal'))),
  },
  'san-critical': {
    profile: 'client',
    refused: only(OID.subjectAltName, alt(true, text(0x81, 'a@corp.internal'))),
  },
  'san-twice': {
    profile: 'server',
    refused: names(dns('a.corp.internal'), dns('A.corp.internal')),
    accepted: names(dns('a.corp.internal'), dns('b.corp.internal')),
  },
  'server-without-host': {
    profile: 'server',
    refused: names(text(0x86, 'spiffe://corp.internal/api')),
  },
  'common-name-not-among-names': {
    profile: 'server',
    refused: {
      subject: subject(COMMON_NAME, utf8String('www.corp.internal')),
      extensions: { [OID.subjectAltName]: alt(undefined, dns('api.corp.internal')) },
    },
    accepted: {
      subject: subject(COMMON_NAME, utf8String('API.corp.internal')),
      extensions: { [OID.subjectAltName]: alt(undefined, dns('api.corp.internal')) },
    },
  },
  'dns-name-is-address': {
    profile: 'server',
    refused: names(dns('10.0.0.1')),
    accepted: names(contextPrimitive(7, Uint8Array.of(10, 0, 0, 1))),
  },
  'dns-name-underscore': { profile: 'server', refused: names(dns('my_api.corp.internal')) },
  'dns-name-not-ascii': {
    profile: 'server',
    refused: names(dns('büro.corp.internal')),
    accepted: names(dns('xn--bro-hoa.corp.internal')),
  },
  'dns-name-upper-case': { profile: 'server', refused: names(dns('API.corp.internal')) },
  'dns-name-form': {
    profile: 'server',
    refused: names(dns('api.corp.internal.')),
    accepted: names(dns('*.corp.internal'), dns('localhost')),
  },
  'wildcard-form': {
    profile: 'server',
    refused: names(dns('api*.corp.internal')),
    accepted: names(dns('*.corp.internal')),
  },
  'wildcard-too-wide': {
    profile: 'server',
    refused: names(dns('*.internal')),
    accepted: names(dns('*.corp.internal')),
  },
  'ip-address-length': {
    profile: 'server',
    refused: names(contextPrimitive(7, Buffer.from('10.0.0.1'))),
    accepted: names(contextPrimitive(7, Uint8Array.of(10, 0, 0, 1))),
  },
  'ip-address-mapped': {
    profile: 'server',
    refused: names(range('00000000000000000000ffff0a000001')),
    accepted: names(range('20010db8000000000000000000000001')),
  },
  'email-form': {
    profile: 'client',
    refused: only(OID.subjectAltName, alt(undefined, text(0x81, 'Alice <a@corp.internal>'))),
    accepted: only(OID.subjectAltName, alt(undefined, text(0x81, 'a.b+c@corp.internal'))),
  },
  'uri-form': {
    profile: 'client',
    refused: only(OID.subjectAltName, alt(undefined, text(0x86, '/alice'))),
  },
  'spiffe-id-several': {
    profile: 'client',
    refused: only(
      OID.subjectAltName,
      alt(undefined, text(0x86, 'spiffe://a/b'), text(0x86, 'spiffe://a/c')),
    ),
  },
}
