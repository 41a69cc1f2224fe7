import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assert as holds, integer, property, string } from 'fast-check'
import { outsideTool, runCommand, skipWithout } from '@countersign/testkit'
import { encodeBase32 } from '../src/factors/base32.ts'
import {
  matchTotp,
  newTotpSeed,
  TOTP_PERIOD,
  totpCode,
  totpStep,
  totpUri,
} from '../src/factors/totp.ts'

const at = (seconds: number): Date => new Date(seconds * 1000)

describe('TOTP', () => {
  const seed = Buffer.from('12345678901234567890')

  it('gives the codes of RFC 6238 appendix B, as far as six digits show them', () => {
    const rows = [
      [59, '287082'],
      [1_111_111_109, '081804'],
      [1_111_111_111, '050471'],
      [1_234_567_890, '005924'],
      [2_000_000_000, '279037'],
      [20_000_000_000, '353130'],
    ] as const
    for (const [seconds, code] of rows) assert.equal(totpCode(seed, totpStep(at(seconds))), code)
  })

  it('agrees with oathtool', { skip: skipWithout('oathtool') }, async () => {
    const oathtool = outsideTool('oathtool')
    assert.ok(oathtool !== undefined)
    for (let round = 0; round < 5; round++) {
      const own = newTotpSeed()
      const seconds = 1_700_000_000 + round * 12_345
      const { stdout } = await runCommand(oathtool, [
        '--totp',
        '--base32',
        `--now=@${seconds}`,
        encodeBase32(own),
      ])
      assert.equal(stdout.trim(), totpCode(own, totpStep(at(seconds))))
    }
  })

  it('takes the code of this step and of its neighbours, and of no other', () => {
    const now = at(1_700_000_010)
    const step = totpStep(now)
    for (const offset of [-1, 0, 1]) {
      assert.equal(matchTotp(seed, totpCode(seed, step + offset), now, 0), step + offset)
    }
    for (const offset of [-3, -2, 2, 3]) {
      assert.equal(matchTotp(seed, totpCode(seed, step + offset), now, 0), undefined)
    }
  })

  it('takes no code again, and none from before it', () => {
    const now = at(1_700_000_010)
    const step = totpStep(now)
    assert.equal(matchTotp(seed, totpCode(seed, step), now, step), undefined)
    assert.equal(matchTotp(seed, totpCode(seed, step - 1), now, step), undefined)
    assert.equal(matchTotp(seed, totpCode(seed, step + 1), now, step), step + 1)
  })

  it('reads what people type, and refuses everything else', () => {
    const now = at(1_700_000_010)
    const code = totpCode(seed, totpStep(now))
    assert.ok(matchTotp(seed, `${code.slice(0, 3)} ${code.slice(3)}`, now, 0) !== undefined)
    for (const wrong of ['', '12345', `${code}0`, '١٢٣٤٥٦', 'abcdef', `${code}\u0000`]) {
      assert.equal(matchTotp(seed, wrong, now, 0), undefined)
    }
  })

  it('never throws, whatever it is given', () => {
    holds(
      property(string(), integer({ min: 0, max: 2 ** 33 }), (code, seconds) => {
        matchTotp(seed, code, at(seconds), 0)
      }),
    )
  })

  it('makes a URI that an app reads, whatever the names are', () => {
    const uri = new URL(totpUri(seed, 'Acme & Söhne', 'ann:b@corp.internal'))
    assert.equal(uri.protocol, 'otpauth:')
    assert.equal(uri.searchParams.get('secret'), 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ')
    assert.equal(uri.searchParams.get('issuer'), 'Acme & Söhne')
    assert.equal(uri.searchParams.get('period'), String(TOTP_PERIOD))
    assert.match(uri.href, /\/Acme%20%26%20S%C3%B6hne:ann%3Ab%40corp\.internal\?/)
    assert.doesNotMatch(uri.href, /\+/)
  })
})
