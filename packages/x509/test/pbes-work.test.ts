import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encodeDer, integer, octetString, oid, sequence } from '../src/der-writer.ts'
import { OID } from '../src/oid.ts'
import { decryptPkcs8 } from '../src/pbes.ts'

/** An encrypted key that asks for so many rounds, under triple DES. */
function asking(rounds: number): Uint8Array {
  const kdf = sequence(oid(OID.pbkdf2), sequence(octetString(new Uint8Array(8)), integer(rounds)))
  const cipher = sequence(oid('1.2.840.113549.3.7'), octetString(new Uint8Array(8)))
  const scheme = sequence(oid(OID.pbes2), sequence(kdf, cipher))
  return encodeDer(sequence(scheme, octetString(new Uint8Array(64))))
}

describe('an encrypted key', () => {
  it('that asks for too much is refused for that, whatever its cipher: who asks OpenSSL then waits for minutes', () => {
    assert.throws(() => decryptPkcs8(asking(2 ** 31 - 1), 'words'), /2147483647 iterations/)
    assert.throws(() => decryptPkcs8(asking(2048), 'words'), /DES-EDE3-CBC$/)
  })
})
