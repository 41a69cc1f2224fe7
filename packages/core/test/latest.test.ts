import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { latest } from '@countersign/core'

/** Work that ends when it is told to. */
function work(): { ask: () => Promise<number>; ends: ((fault?: Error) => void)[] } {
  const ends: ((fault?: Error) => void)[] = []
  const ask = latest(async () => {
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    const number = ends.length
    ends.push((fault) => (fault === undefined ? resolve(number) : reject(fault)))
    return await promise
  })
  return { ask, ends }
}

/** Until everything that can go on has done so. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

describe('latest', () => {
  it('gives everybody a run that began after they asked, and shares it', async () => {
    const { ask, ends } = work()
    const first = ask()
    const later = [ask(), ask(), ask()]
    await settle()
    assert.equal(ends.length, 1)
    ends[0]?.()
    assert.equal(await first, 0)
    await settle()
    assert.equal(ends.length, 2)
    const last = ask()
    ends[1]?.()
    assert.deepEqual(await Promise.all(later), [1, 1, 1])
    await settle()
    ends[2]?.()
    assert.equal(await last, 2)
    assert.equal(ends.length, 3)
  })

  it('rejects for those whose run failed, and for nobody else', async () => {
    const { ask, ends } = work()
    const failing = assert.rejects(ask(), /fault/)
    const next = ask()
    ends[0]?.(new Error('fault'))
    await failing
    await settle()
    ends[1]?.()
    assert.equal(await next, 1)
  })
})
