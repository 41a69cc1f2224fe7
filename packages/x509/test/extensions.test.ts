import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
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
  utf8String,
} from '../src/der-writer.ts'
import { Certificate, type Extensions } from '../src/index.ts'
import { OID } from '../src/oid.ts'
import { attribute, extension, handMade, name, text } from './hand-made.ts'

describe('extensions', () => {
  const directory = name([attribute('2.5.4.3', utf8String('x'))])

  it('are read into their types, every one of RFC 5280 §4.2', () => {
    const keyId = Uint8Array.of(1, 2, 3)
    const aki = sequence(
      contextPrimitive(0, keyId),
      context(1, text(0x82, 'a')),
      contextPrimitive(2, Uint8Array.of(0, 0xab)),
    )
    assert.deepEqual(read(OID.authorityKeyIdentifier, aki).authorityKeyIdentifier, {
      keyId,
      issuer: [{ type: 'dns', value: 'a' }],
      serialNumber: 'AB',
    })
    assert.deepEqual(read(OID.subjectKeyIdentifier, octetString(keyId)).subjectKeyIdentifier, keyId)
    assert.deepEqual(read(OID.keyUsage, bitString(Uint8Array.of(0x06, 0x80), 7)).keyUsage, [
      'keyCertSign',
      'cRLSign',
      'decipherOnly',
    ])
    const notice = sequence(
      sequence(utf8String('Org'), sequence(integer(1), integer(2))),
      utf8String('text'),
    )
    const policies = sequence(
      sequence(oid('1.2.3')),
      sequence(
        oid(OID.anyPolicy),
        sequence(
          sequence(oid(OID.cps), text(0x16, 'http://cps')),
          sequence(oid(OID.userNotice), notice),
          sequence(oid(OID.userNotice), sequence()),
          sequence(oid('1.2.9'), integer(1)),
        ),
      ),
    )
    assert.deepEqual(read(OID.certificatePolicies, policies).certificatePolicies, [
      { policy: '1.2.3', qualifiers: [] },
      {
        policy: '2.5.29.32.0',
        qualifiers: [
          { type: 'cps', uri: 'http://cps' },
          { type: 'user-notice', text: 'text', organization: 'Org', noticeNumbers: [1, 2] },
          {
            type: 'user-notice',
            text: undefined,
            organization: undefined,
            noticeNumbers: undefined,
          },
          { type: 'other', oid: '1.2.9', value: Uint8Array.of(2, 1, 1) },
        ],
      },
    ])
    assert.deepEqual(
      read(OID.policyMappings, sequence(sequence(oid('1.2'), oid('1.3')))).policyMappings,
      [{ issuerDomainPolicy: '1.2', subjectDomainPolicy: '1.3' }],
    )
    assert.deepEqual(read(OID.issuerAltName, sequence(text(0x86, 'urn:x'))).issuerAltName, [
      { type: 'uri', value: 'urn:x' },
    ])
    assert.deepEqual(
      read(OID.subjectDirectoryAttributes, sequence(attribute('1.2.3', encodeDer(context(0))))).all
        .length,
      1,
    )
    assert.deepEqual(read(OID.basicConstraints, sequence()).basicConstraints, {
      ca: false,
      pathLength: undefined,
    })
    assert.deepEqual(
      read(OID.basicConstraints, sequence(boolean(true), integer(3))).basicConstraints,
      { ca: true, pathLength: 3 },
    )
    assert.deepEqual(
      read(OID.policyConstraints, sequence(contextPrimitive(1, Uint8Array.of(2))))
        .policyConstraints,
      {
        requireExplicitPolicy: undefined,
        inhibitPolicyMapping: 2,
      },
    )
    assert.deepEqual(
      read(
        OID.extendedKeyUsage,
        sequence(oid('1.3.6.1.5.5.7.3.1'), oid('1.2.3'), oid('2.5.29.37.0')),
      ).extendedKeyUsage,
      ['serverAuth', '1.2.3', 'any'],
    )
    assert.equal(read(OID.inhibitAnyPolicy, integer(4)).inhibitAnyPolicy, 4)
    const point = sequence(
      context(0, context(1, attribute('2.5.4.3', utf8String('crl')))),
      contextPrimitive(1, Uint8Array.of(5, 0x60)),
      context(2, context(4, directory)),
    )
    const [read1] = read(OID.freshestCrl, sequence(point)).freshestCrl ?? []
    assert.deepEqual(
      read1?.relativeName?.map(({ value }) => value),
      ['crl'],
    )
    assert.deepEqual(read1?.reasons, ['keyCompromise', 'cACompromise'])
    assert.deepEqual(
      read1?.crlIssuer?.map((one) => one.type),
      ['directory'],
    )
    const access = sequence(sequence(oid('1.3.6.1.5.5.7.48.3'), text(0x86, 'http://t')))
    assert.deepEqual(read(OID.subjectInfoAccess, access).subjectInfoAccess, [
      { method: '1.3.6.1.5.5.7.48.3', location: { type: 'uri', value: 'http://t' } },
    ])
  })

  it('read name constraints, ranges of addresses as such', () => {
    const constraints = sequence(
      context(
        0,
        sequence(text(0x82, 'corp.internal')),
        sequence(contextPrimitive(7, Uint8Array.of(10, 0, 0, 0, 255, 0, 0, 0))),
      ),
      context(
        1,
        sequence(contextPrimitive(7, new Uint8Array(32))),
        sequence(text(0x82, '')),
        sequence(context(4, directory)),
      ),
    )
    const { permitted, excluded } = read(OID.nameConstraints, constraints).nameConstraints ?? {
      permitted: [],
      excluded: [],
    }
    assert.deepEqual(permitted, [
      { type: 'dns', value: 'corp.internal' },
      { type: 'ip', value: '10.0.0.0/8' },
    ])
    assert.deepEqual(excluded.slice(0, 2), [
      { type: 'ip', value: '::/0' },
      { type: 'dns', value: '' },
    ])
    assert.equal(excluded[2]?.type, 'directory')
    const withMaximum = sequence(
      context(0, sequence(text(0x82, 'a'), contextPrimitive(1, Uint8Array.of(3)))),
    )
    assert.throws(() => read(OID.nameConstraints, withMaximum).nameConstraints, {
      code: 'extension-malformed',
    })
  })

  it('keep unknown ones as bytes with their critical flag', () => {
    const extensions = read('1.2.3.4', octetString(Uint8Array.of(9)))
    assert.deepEqual(extensions.unknown, [
      { oid: '1.2.3.4', critical: true, value: Uint8Array.of(4, 1, 9) },
    ])
    assert.equal(extensions.get('1.2.3.4')?.critical, true)
    assert.equal(extensions.get('1.2.3.5'), undefined)
    assert.equal(extensions.keyUsage, undefined)
  })

  it('are read where FALSE is written out', () => {
    const explicit = sequence(oid('1.2.3'), boolean(false), octetString())
    assert.equal(
      Certificate.parse(handMade({ extensions: [explicit] })).extensions.get('1.2.3')?.critical,
      false,
    )
  })

  it('are refused with bytes behind their value', () => {
    const value = Buffer.concat([encodeDer(sequence()), Buffer.of(0x05, 0x00)])
    assert.throws(() => read(OID.basicConstraints, value).basicConstraints, {
      code: 'extension-malformed',
    })
  })
})

/** A certificate with this one extension, critical, as it is read. */
function read(dotted: string, value: DerNode): Extensions {
  return Certificate.parse(handMade({ extensions: [extension(dotted, value, true)] })).extensions
}
