import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { rateCounter, RateLimit } from '../src/proxy/rate-limit.ts'

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
      limit.count(`10.${count >> 16}.${(count >> 8) & 255}.${count & 255}`, count)
    }
    assert.equal(limit.size, 50_000)
    assert.ok(limit.count('10.0.234.95', 60_000) > 0)
    assert.equal(limit.take('10.0.0.0', 60_000), undefined)
  })

  it('is one limit for several processes where one of them counts', async () => {
    const limits = { requests: 2, perMs: 3_600_000 }
    const count = rateCounter(limits)
    const take = async (address: string): Promise<number> => count(address)
    const [one, other] = [new RateLimit({ ...limits, take }), new RateLimit({ ...limits, take })]
    assert.equal(await refused(one, '10.0.0.7'), undefined)
    assert.equal(await refused(other, '10.0.0.7'), undefined)
    assert.equal(await refused(one, '10.0.0.7'), 429)
    assert.equal(await refused(other, '10.0.0.7'), 429)
    assert.equal(await refused(other, '10.0.0.8'), undefined)
  })

  it('counts itself where nobody else does', async () => {
    const limit = new RateLimit({ requests: 1, perMs: 3_600_000, take: gone })
    assert.equal(await limit.take('10.0.0.7', 0), undefined)
    assert.equal((await limit.take('10.0.0.7', 0))?.status, 429)
  })
})

async function refused(limit: RateLimit, address: string): Promise<number | undefined> {
  return (await limit.take(address, 0))?.status
}

async function gone(): Promise<number> {
  throw new Error('gone')
}
