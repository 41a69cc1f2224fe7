import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CertificateRevocationList, X509Error } from '@countersign/x509'
import { testAuthority } from '@countersign/testkit'

const authority = testAuthority()
const serials = Array.from(
  { length: 5000 },
  (_, index) => `4${index.toString(16).padStart(31, '0')}`,
)
const long = authority.crl({ revoked: serials, reason: 'superseded' })
const short = authority.crl({ revoked: ['0102'] })

describe('CertificateRevocationList.parseAllInSlices', () => {
  it('reads what parseAll reads, of PEM, DER and several lists', async () => {
    for (const input of [long.pem, long.der, short.pem, short.pem + long.pem + short.pem]) {
      const sliced = await CertificateRevocationList.parseAllInSlices(input)
      const whole = CertificateRevocationList.parseAll(input)
      assert.deepEqual(
        sliced.map(({ fingerprint, size, number }) => [fingerprint, size, number]),
        whole.map(({ fingerprint, size, number }) => [fingerprint, size, number]),
      )
      for (const serial of [serials[0] ?? '', serials.at(-1) ?? '', '0102', '99']) {
        assert.deepEqual(
          sliced.map((list) => list.get(serial)),
          whole.map((list) => list.get(serial)),
        )
      }
    }
  })

  it('lets other work have its turn meanwhile', async () => {
    let turns = 0
    let done = false
    const count = (): void => {
      turns++
      if (!done) setImmediate(count)
    }
    setImmediate(count)
    await CertificateRevocationList.parseAllInSlices(long.der)
    done = true
    assert.ok(turns >= 2, String(turns))
  })

  it('refuses what parseAll refuses, with the same words', async () => {
    const broken = Buffer.from(long.der)
    broken[broken.length - 2000] = 0xff
    const cut = long.der.subarray(0, long.der.length - 10)
    for (const input of [
      broken,
      cut,
      'no list',
      `-----BEGIN X-----\n${'A'.repeat(90_000)}\n-----END X-----\n`,
    ]) {
      const error = faultOf(() => CertificateRevocationList.parseAll(input, 'it'))
      await assert.rejects(CertificateRevocationList.parseAllInSlices(input, 'it'), {
        code: error.code,
        message: error.message,
      })
    }
  })
})

function faultOf(work: () => unknown): X509Error {
  try {
    work()
  } catch (error) {
    if (error instanceof X509Error) return error
  }
  throw new Error('it was not refused')
}
