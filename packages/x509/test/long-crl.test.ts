import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { runCommand, scrubProcess, skipWithout, temporaryFolder } from '@countersign/testkit'
import {
  buildCertificate,
  buildCrl,
  type Certificate,
  CertificateRevocationList,
  encodeRevoked,
  type KeyType,
  type LongCrlTemplate,
  Name,
  PrivateKey,
  redateRevoked,
  type RevokedCertificate,
  signLongCrl,
} from '../src/index.ts'

scrubProcess()

const thisUpdate = new Date('2026-05-06T07:08:09Z')
const nextUpdate = new Date('2026-05-07T07:08:09Z')
const folder = temporaryFolder(after)

const revoked: readonly RevokedCertificate[] = Array.from({ length: 1000 }, (_, index) => ({
  serialNumber: `7F${(index + 1).toString(16).padStart(30, '0')}`.toUpperCase(),
  date: new Date(thisUpdate.getTime() - index * 60_000),
  reason: index % 3 === 0 ? undefined : 'superseded',
}))

function authorityOf(type: KeyType): { key: PrivateKey; issuer: Certificate } {
  const key = PrivateKey.generateSync(type)
  const subject = Name.from({ commonName: `Issuer ${type}` })
  const issuer = buildCertificate(
    {
      subject,
      issuer: subject,
      publicKey: key.publicKey,
      notBefore: thisUpdate,
      notAfter: new Date('2036-05-06T07:08:09Z'),
      ca: {},
      keyUsage: ['keyCertSign', 'cRLSign'],
    },
    key.signer(),
  )
  return { key, issuer }
}

/** The entries in pieces of a length that fits none of them. */
async function* inPieces(all: Uint8Array): AsyncIterable<Uint8Array> {
  for (let start = 0; start < all.length; start += 777) yield all.subarray(start, start + 777)
}

async function longList(
  { key, issuer }: ReturnType<typeof authorityOf>,
  changes: Partial<LongCrlTemplate> = {},
  entries: readonly RevokedCertificate[] = revoked,
): Promise<Buffer> {
  const body = Buffer.concat(entries.map((entry) => encodeRevoked(entry)))
  const { head, tail } = await signLongCrl(
    {
      issuer,
      crlNumber: 9n,
      thisUpdate,
      nextUpdate,
      entriesLength: body.length,
      entries: () => inPieces(body),
      ...changes,
    },
    key.signer(),
  )
  return Buffer.concat([head, body, tail])
}

describe('signLongCrl', () => {
  it('makes byte for byte what buildCrl makes, empty or full, with a key that signs the same way each time', async () => {
    const authority = authorityOf('ed25519')
    const template = { issuer: authority.issuer, crlNumber: 9n, thisUpdate, nextUpdate }
    const point = { issuingDistributionPoint: 'http://ca.corp.internal/crl/1.crl' }
    for (const [changes, entries] of [
      [{}, revoked],
      [{}, []],
      [point, revoked.slice(0, 1)],
    ] as const) {
      const whole = buildCrl(
        { ...template, ...changes, revoked: entries },
        authority.key.signer(),
      ).der
      assert.deepEqual(await longList(authority, changes, entries), Buffer.from(whole))
    }
  })

  it('signs with every kind of key, those that want the message whole as well', async () => {
    for (const type of ['p256', 'p384', 'rsa2048', 'ed25519', 'ml-dsa-44'] as const) {
      const authority = authorityOf(type)
      const list = CertificateRevocationList.parse(await longList(authority))
      assert.ok(list.issuedBy(authority.issuer), type)
      assert.equal(list.size, revoked.length)
      const changed = await longList(authority)
      // The last byte of a serial number.
      changed[changed.indexOf(Buffer.from(revoked[7]?.serialNumber ?? '', 'hex')) + 15] = 0x77
      assert.equal(
        CertificateRevocationList.parse(changed).issuedBy(authority.issuer),
        false,
        `${type}, changed`,
      )
    }
  })

  it('is read by openssl', { skip: skipWithout('openssl') }, async () => {
    const authority = authorityOf('p256')
    const [list, issuer] = [path.join(folder, 'long.crl'), path.join(folder, 'issuer.pem')]
    writeFileSync(list, await longList(authority))
    writeFileSync(issuer, authority.issuer.pem)
    const args = ['crl', '-inform', 'DER', '-in', list, '-CAfile', issuer, '-noout', '-text']
    const { stdout, stderr } = await runCommand('openssl', args)
    assert.match(stderr, /verify OK/)
    assert.equal(stdout.match(/Serial Number: /g)?.length, revoked.length)
  })

  it('refuses entries that are not as long as was said, a wrong key and misspelt options', async () => {
    const authority = authorityOf('p256')
    for (const entriesLength of [1, 10 ** 6]) {
      await assert.rejects(longList(authority, { entriesLength }), {
        code: 'crl-invalid',
        message: /entries take \d+ bytes, and \d+ were said/,
      })
    }
    const other = { ...authority, key: PrivateKey.generateSync('p256') }
    await assert.rejects(longList(other), { code: 'crl-invalid', message: /not the one of the/ })
    const misspelt: object = { isuer: 1 }
    await assert.rejects(longList(authority, misspelt), { code: 'option-unknown' })
  })

  it('tells a key that signs the message whole how long that may be', async () => {
    const authority = authorityOf('ed25519')
    const piece = new Uint8Array(16 * 1024 * 1024)
    const entriesLength = 5 * piece.length
    async function* entries(): AsyncIterable<Uint8Array> {
      for (let count = 0; count < 5; count++) yield piece
    }
    await assert.rejects(longList(authority, { entries, entriesLength }, []), {
      code: 'crl-invalid',
      message: /longer than 64 MiB, and a Ed25519 key signs it whole/i,
    })
  })
})

describe('an encoded entry', () => {
  it('gets a date that is not later than its list, and stays as it is otherwise', () => {
    for (const entry of revoked.slice(0, 4)) {
      const encoded = encodeRevoked(entry)
      assert.equal(redateRevoked(encoded, thisUpdate), encoded)
      const earlier = new Date(0)
      assert.deepEqual(redateRevoked(encoded, earlier), encodeRevoked({ ...entry, date: earlier }))
    }
  })

  it('is refused for what is no serial number', () => {
    for (const serialNumber of ['', 'zz', '00', '-01']) {
      assert.throws(() => encodeRevoked({ serialNumber, date: thisUpdate }), {
        code: 'crl-invalid',
      })
    }
  })
})
