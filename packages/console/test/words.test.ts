import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { sentence, withoutRoutes } from '../web/api-error.ts'
import type { CertificateEntry } from '../web/api.ts'
import { elapsedPart, remainingText, stateOf } from '../web/certificate-state.ts'
import { fileName } from '../web/file-name.ts'
import { deviceText } from '../web/device.ts'
import { passwordHint } from '../web/password-words.ts'
import { distanceText } from '../web/time.ts'

const NOW = new Date('2027-01-15T12:00:00Z')
const DAY_MS = 86_400_000

function entry(fromDays: number, toDays: number, revokedDays?: number): CertificateEntry {
  return {
    serial: '01',
    names: ['a'],
    profile: 'server',
    requester: 'alice',
    notBefore: at(fromDays),
    notAfter: at(toDays),
    revokedAt: revokedDays === undefined ? undefined : at(revokedDays),
    fingerprint: '00',
    keyType: 'p256',
  }
}

function at(days: number): Date {
  return new Date(NOW.getTime() + days * DAY_MS)
}

function away(milliseconds: number): string {
  return distanceText(new Date(NOW.getTime() + milliseconds), NOW)
}

describe('the state of a certificate', () => {
  it('is expiring in the last third of its life, from 14 days before its end, and expired at its end', () => {
    assert.equal(stateOf(entry(-76, 14.1), NOW), 'valid')
    assert.equal(stateOf(entry(-76, 14), NOW), 'expiring')
    assert.equal(stateOf(entry(-1, 6), NOW), 'valid')
    assert.equal(stateOf(entry(-5, 2), NOW), 'expiring')
    assert.equal(stateOf(entry(-1, 0.001), NOW), 'expiring')
    assert.equal(stateOf(entry(-1, 0), NOW), 'expired')
  })

  it('is revoked whatever its dates say', () => {
    assert.equal(stateOf(entry(-10, 50, -1), NOW), 'revoked')
    assert.equal(stateOf(entry(-10, -5, -6), NOW), 'revoked')
  })

  it('says how long is left, and never more than there is', () => {
    assert.equal(remainingText(entry(-1, 1.99), NOW), 'in 1 day')
    assert.equal(remainingText(entry(-1, 0.9), NOW), 'in 21 hours')
    assert.equal(remainingText(entry(-9, -2.5), NOW), '2 days ago')
    assert.equal(remainingText(entry(3, 9), NOW), 'begins in 3 days')
    assert.match(remainingText(entry(-10, 50, -1), NOW), /^revoked .*2027$/)
  })

  it('knows which part of its life is over, also before and after it', () => {
    assert.equal(elapsedPart(entry(-1, 3), NOW), 0.25)
    assert.equal(elapsedPart(entry(1, 3), NOW), 0)
    assert.equal(elapsedPart(entry(-3, -1), NOW), 1)
    assert.equal(elapsedPart(entry(0, 0), NOW), 1)
  })
})

describe('words', () => {
  it('says distances in the largest unit that fits', () => {
    assert.equal(away(-20_000), 'just now')
    assert.equal(away(-90_000), '1 minute ago')
    assert.equal(away(90 * DAY_MS), 'in 90 days')
    assert.equal(away(800 * DAY_MS), 'in 2 years')
  })

  it('makes a sentence of what the service says, and leaves names as they are', () => {
    assert.equal(sentence('the code is wrong'), 'The code is wrong.')
    assert.equal(sentence('Is it?'), 'Is it?')
    assert.equal(sentence(''), '')
  })

  it('leaves the routes out of what programs are told to do', () => {
    const hints = [
      ['remove one first: DELETE /auth/factors/ID', 'remove one first'],
      [
        'add one (POST /auth/factors), then prove it (POST /auth/step-up)',
        'add one, then prove it',
      ],
      [
        'sign in again (POST /login), or present another token',
        'sign in again, or present another token',
      ],
      ['run countersign up again', 'run countersign up again'],
      [
        'ask for a new one: an administrator makes it',
        'ask for a new one: an administrator makes it',
      ],
    ] as const
    for (const [hint, expected] of hints) assert.equal(withoutRoutes(hint), expected)
  })

  it('says what is wrong with a password, reason by reason, and nothing of what is no list', () => {
    assert.equal(
      passwordHint(['too-short', 'contains-name', 'younger-than-this-page']),
      'it is too short: four or more words of your own will do; it is made of your name, or of the name of the service',
    )
    assert.equal(passwordHint([]), undefined)
    assert.equal(passwordHint('too-short'), undefined)
  })

  it('makes a name for a file of any label', () => {
    assert.equal(fileName('laptop / ../büro', 'my'), 'laptop-büro')
    assert.equal(fileName('../..', 'my'), 'my')
    assert.equal(fileName('x'.repeat(64), 'my').length, 40)
    assert.equal(fileName('-rf', 'my'), 'rf')
  })

  it('names the program behind a user agent', () => {
    const agents = [
      [
        'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0',
        'Edge on Linux',
      ],
      [
        'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1',
        'Safari on iOS',
      ],
      ['Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile Safari/537.36', 'Chrome on Android'],
      ['countersign/0.1.0 node/24', 'Countersign'],
      ['python-requests/2.32', 'python-requests'],
      ['', 'Unknown program'],
    ]
    for (const [agent, expected] of agents) assert.equal(deviceText(agent), expected)
  })
})
