import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  boolean,
  context,
  type DerNode,
  encodeDer,
  integer,
  octetString,
  oid,
  sequence,
} from '../src/der-writer.ts'
import { OcspCertId, OcspRequest } from '../src/index.ts'
import { OID } from '../src/oid.ts'
import { issuing, leaf, root, sibling } from './ocsp-world.ts'
import { authority, leafOf } from './verify-world.ts'

const about = [{ certificate: leaf, issuer: issuing.certificate }]

describe('OcspCertId', () => {
  const hashes = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 } as const
  for (const hash of ['sha1', 'sha256', 'sha384', 'sha512'] as const) {
    it(`names a certificate by ${hash}, and no other`, () => {
      const id = OcspCertId.of(leaf, issuing.certificate, hash)
      assert.equal(id.hash, hash)
      assert.equal(id.issuerNameHash.length, hashes[hash])
      assert.equal(id.issuerKeyHash.length, hashes[hash])
      assert.equal(id.serialNumber, leaf.serialNumber)
      assert.ok(id.names(leaf, issuing.certificate))
      assert.ok(id.isFrom(issuing.certificate))
      assert.equal(id.names(leafOf(issuing), issuing.certificate), false)
      assert.equal(id.names(leaf, root.certificate), false)
      // The same name with another key, and the same key with another name.
      assert.equal(id.isFrom(sibling.certificate), false)
      const renamed = authority('Other', root, { key: issuing.key })
      assert.equal(id.isFrom(renamed.certificate), false)
      const again = OcspCertId.forSerial(leaf.serialNumber, issuing.certificate, hash)
      assert.deepEqual(again.der, id.der)
    })
  }

  it('fits nothing where the hash is unknown, and is repeated as it was', () => {
    const md5 = sequence(oid('1.2.840.113549.2.5'))
    const der = encodeDer(sequence(md5, octetString(), octetString(), integer(5)))
    const id = OcspCertId.fromDer(der)
    assert.equal(id.hash, undefined)
    assert.equal(id.serialNumber, '05')
    assert.equal(id.isFrom(issuing.certificate), false)
    assert.deepEqual(id.der, der)
  })

  it('refuses another issuer, a serial number and a hash that are none', () => {
    assert.throws(() => OcspCertId.of(leaf, root.certificate), {
      code: 'ocsp-invalid',
      message: /issued by CN=Example Issuing, not by CN=Example Root/,
    })
    for (const serial of ['', 'x', '-01']) {
      assert.throws(() => OcspCertId.forSerial(serial, issuing.certificate), {
        code: 'ocsp-invalid',
      })
    }
    assert.throws(() => OcspCertId.of(leaf, issuing.certificate, JSON.parse('"md5"')), {
      code: 'ocsp-invalid',
      hint: /sha1, sha256/,
    })
    assert.throws(() => OcspCertId.fromDer(Uint8Array.of(0x30, 0)), { code: 'der-malformed' })
  })
})

describe('OcspRequest', () => {
  it('asks what parse reads back: ids and nonce', () => {
    const request = OcspRequest.build({ about, hash: 'sha256' })
    const read = OcspRequest.parse(request.der)
    assert.deepEqual(
      read.ids.map(({ der }) => der),
      [OcspCertId.of(leaf, issuing.certificate, 'sha256').der],
    )
    assert.equal(read.nonce?.length, 32)
    assert.deepEqual(read.nonce, request.nonce)
    assert.equal(read.isSigned, false)
    assert.deepEqual(read.unknownCriticalExtensions, [])
    assert.notDeepEqual(OcspRequest.build({ about }).nonce, OcspRequest.build({ about }).nonce)
    assert.deepEqual(OcspRequest.parse(request.pem).der, request.der)
  })

  it('asks without a nonce, and with any of 1 to 128 bytes', () => {
    assert.equal(OcspRequest.parse(OcspRequest.build({ about, nonce: false }).der).nonce, undefined)
    for (const length of [1, 128]) {
      const nonce = new Uint8Array(length).fill(7)
      assert.deepEqual(OcspRequest.parse(OcspRequest.build({ about, nonce }).der).nonce, nonce)
    }
    for (const length of [0, 129]) {
      const nonce = new Uint8Array(length)
      assert.throws(() => OcspRequest.build({ about, nonce }), { code: 'ocsp-invalid' })
      const extension = sequence(oid(OID.ocspNonce), octetString(octetString(nonce)))
      const der = requestOf(sequence(idOf()), context(2, sequence(extension)))
      assert.throws(() => OcspRequest.parse(der), {
        code: 'ocsp-malformed',
        message: /nonce: \d+ bytes, 1 to 128 are allowed/,
      })
    }
  })

  it('reads a signed request with a requestor, and what it does not know', () => {
    const tbs = sequence(
      context(1, context(4, root.certificate.subject.der)),
      sequence(
        sequence(
          idOf(),
          context(0, sequence(sequence(oid('1.2.3'), boolean(true), octetString()))),
        ),
      ),
      context(2, sequence(sequence(oid('1.2.4'), boolean(true), octetString()))),
    )
    const { signatureAlgorithm } = root.key.signer()
    const signature = sequence(signatureAlgorithm, Uint8Array.of(3, 2, 0, 1))
    const read = OcspRequest.parse(encodeDer(sequence(tbs, context(0, signature))))
    assert.equal(read.isSigned, true)
    assert.deepEqual(read.unknownCriticalExtensions, ['1.2.4', '1.2.3'])
  })

  it('goes into the path of a GET and comes back', () => {
    const request = OcspRequest.build({ about, nonce: false })
    assert.match(request.path, /^(?:[A-Za-z0-9]|%2B|%2F|%3D)+$/)
    assert.ok(request.path.length <= 255)
    const bare = Buffer.from(request.der).toString('base64')
    for (const path of [request.path, bare, bare.replace(/=+$/, '')]) {
      assert.deepEqual(OcspRequest.fromPath(path).der, request.der)
    }
    const lowerCase = request.path.replaceAll(/%../g, (code) => code.toLowerCase())
    assert.deepEqual(OcspRequest.fromPath(lowerCase).der, request.der)
    for (const path of [
      '',
      '%',
      '%00',
      'a b',
      '%2',
      '../x',
      '=',
      'MAA',
      'A',
      'x'.repeat(200_000),
    ]) {
      assert.throws(() => OcspRequest.fromPath(path), { code: 'ocsp-malformed' }, path.slice(0, 9))
    }
  })

  it('refuses nothing, too much, another version and what is left over', () => {
    const id = OcspCertId.of(leaf, issuing.certificate)
    const many = (count: number): OcspCertId[] => Array.from({ length: count }, () => id)
    assert.equal(OcspRequest.parse(OcspRequest.build({ about: many(100) }).der).ids.length, 100)
    for (const count of [0, 101]) {
      assert.throws(() => OcspRequest.build({ about: many(count) }), { code: 'ocsp-invalid' })
      assert.throws(
        () => OcspRequest.parse(requestOf(...many(count).map(() => sequence(idOf())))),
        {
          code: 'ocsp-malformed',
        },
      )
    }
    const misspelt = { about, nonse: false }
    assert.throws(() => OcspRequest.build(misspelt), { code: 'option-unknown' })
    const second = encodeDer(sequence(sequence(context(0, integer(1)), sequence(sequence(idOf())))))
    assert.throws(() => OcspRequest.parse(second), { message: /version 2 is unknown/ })
    const tail = Buffer.concat([OcspRequest.build({ about }).der, Buffer.of(0)])
    assert.throws(() => OcspRequest.parse(tail), { code: 'ocsp-malformed' })
    const large = new Uint8Array(65 * 1024).fill(0x30)
    assert.throws(() => OcspRequest.parse(large), {
      code: 'ocsp-malformed',
      message: /more than the 65536 allowed/,
    })
    const { pem } = OcspRequest.build({ about })
    assert.throws(() => OcspRequest.parse(pem + pem), { code: 'ocsp-several' })
    assert.throws(() => OcspRequest.parse(root.certificate.pem, 'x.pem'), {
      code: 'ocsp-missing',
      message: 'x.pem holds no OCSP REQUEST (1 x CERTIFICATE)',
    })
  })
})

function idOf(): Uint8Array {
  return OcspCertId.of(leaf, issuing.certificate).der
}

function requestOf(...parts: DerNode[]): Uint8Array {
  const extensions = parts.filter((part) => !(part instanceof Uint8Array) && part.tag === 0xa2)
  const list = parts.filter((part) => !extensions.includes(part))
  return encodeDer(sequence(sequence(sequence(...list), ...extensions)))
}
