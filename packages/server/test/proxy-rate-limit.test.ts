import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RateLimit } from '../src/proxy/rate-limit.ts'

describe('a rate limit', () => {
  it('gives back what it took as time goes by, evenly', () => {
    const limit = new RateLimit({ requests: 2, perMs: 1000 })
    const takes = (now: number): boolean => limit.take('10.0.0.7', now) === undefined
    assert.deepEqual([takes(0), takes(0), takes(0), takes(499)], [true, true, false, false])
    assert.deepEqual(
      [takes(500), takes(500), takes(10_000), takes(10_000), takes(10_000)],
      [true, false, true, true, false],
    )
  })

  it('remembers no more addresses than it may, and those that sent last', () => {
    const limit = new RateLimit({ requests: 1, perMs: 3_600_000 })
    for (let count = 0; count < 60_000; count++) {
      limit.take(`10.${count >> 16}.${(count >> 8) & 255}.${count & 255}`, count)
    }
    assert.equal(limit.size, 50_000)
    assert.equal(limit.take('10.0.234.95', 60_000)?.status, 429)
    assert.equal(limit.take('10.0.0.0', 60_000), undefined)
  })
})
