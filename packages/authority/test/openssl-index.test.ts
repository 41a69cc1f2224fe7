import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AuthorityError, parseOpensslIndex } from '@countersign/authority'
import { scrubProcess } from '@countersign/testkit'

scrubProcess()

const GOOD = 'V\t300101000000Z\t\t1001\tunknown\t/CN=a.corp.internal'
const GONE = 'R\t20491231235959Z\t261122080310Z,keyCompromise\t0A\tunknown\t/C=DE/CN=b'

describe('parseOpensslIndex', () => {
  it('reads what is valid, revoked and ended', () => {
    const text = `${GOOD}\r\n\n${GONE}\nE\t700101000000Z\t\tfff\tunknown\t/CN=c\tx`.replace(
      '\tx',
      '',
    )
    assert.deepEqual(parseOpensslIndex(text, 'index.txt'), [
      {
        line: 1,
        serial: '1001',
        notAfter: new Date('2030-01-01T00:00:00Z'),
        revokedAt: undefined,
        reason: undefined,
        subject: '/CN=a.corp.internal',
      },
      {
        line: 3,
        serial: '0A',
        notAfter: new Date('2049-12-31T23:59:59Z'),
        revokedAt: new Date('2026-11-22T08:03:10Z'),
        reason: 'keyCompromise',
        subject: '/C=DE/CN=b',
      },
      {
        line: 4,
        serial: '0FFF',
        notAfter: new Date('1970-01-01T00:00:00Z'),
        revokedAt: undefined,
        reason: undefined,
        subject: '/CN=c',
      },
    ])
    assert.deepEqual(parseOpensslIndex('', 'index.txt'), [])
  })

  it('takes every reason that OpenSSL writes, and a certificate on hold for one that is gone', () => {
    const reasons = ['CACompromise', 'certificateHold', 'keyTime,20261101000000Z', 'unspecified']
    const read = reasons.map(
      (reason) => parseOpensslIndex(GONE.replace('keyCompromise', reason), 'index.txt')[0]?.reason,
    )
    assert.deepEqual(read, ['cACompromise', undefined, 'keyCompromise', undefined])
  })

  it('refuses a line that it cannot read, by its number', () => {
    const broken: [string, RegExp][] = [
      ['V\t300101000000Z\t\t1001\tunknown', /5 fields between tabs, not 6/],
      [`${GOOD}\tmore`, /7 fields/],
      [GOOD.replace('V', 'X'), /begins with "X", not with V, R or E/],
      [GOOD.replace('1001', '10 01'), /"10 01" is no serial number/],
      [GOOD.replace('1001', '00'), /"00" is no serial number/],
      [GOOD.replace('1001', 'f'.repeat(41)), /is no serial number/],
      [GOOD.replace('300101', '300231'), /it ends at "300231000000Z"/],
      [GOOD.replace('300101000000Z', '300101'), /it ends at/],
      [GOOD.replace('V', 'R'), /revoked, but not when/],
      [GONE.replace('R', 'V'), /a date of revocation, but it is not revoked/],
      [GONE.replace('261122', '261322'), /it was revoked at/],
      [GONE.replace('keyCompromise', 'boredom'), /"boredom" is no reason/],
    ]
    for (const [line, message] of broken) {
      assert.throws(
        () => parseOpensslIndex(`\n${line}\n`, '/pki/index.txt'),
        (error) => {
          assert.ok(error instanceof AuthorityError)
          assert.equal(error.code, 'index-malformed')
          assert.match(error.message, /^\/pki\/index\.txt, line 2: /)
          assert.match(error.message, message)
          return true
        },
      )
    }
    assert.throws(() => parseOpensslIndex(`${GOOD}\n${GONE}\n${GOOD}`, 'i'), {
      message: 'i, line 3: serial 1001 is that of line 1 as well',
    })
  })

  it('never lets a subject move a cursor, and never fails otherwise, whatever is in it', () => {
    assert.equal(parseOpensslIndex(`${GOOD}\u001b[2J`, 'i')[0]?.subject, '/CN=a.corp.internal?[2J')
    const text = `${GOOD}\n${GONE}\n`
    for (let at = 0; at < text.length; at++) {
      for (const byte of ['\t', '\n', '\0', 'Z', '9', '']) {
        const mutated = text.slice(0, at) + byte + text.slice(at + 1)
        try {
          assert.ok(parseOpensslIndex(mutated, 'i').length <= 3)
        } catch (error) {
          assert.ok(error instanceof AuthorityError, mutated)
        }
      }
    }
  })
})
