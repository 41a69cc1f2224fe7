/**
 * Ten thousand who guess in the same moment, each at another name from another network, so that no counter stops them.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { scrubProcess } from '@countersign/testkit'
import { deviceCookieOf, type Direct, openDirect, TLS } from './direct.ts'
import { PASSWORD } from './service.ts'

scrubProcess()

const MANY = 10_000
const PERMITS = 1
const QUEUE = 32
/** However slow the machine: so many hashes are not made while the crowd comes in. */
const FEW = 1000

describe('ten thousand guesses at once', () => {
  it('cost what the gate lets through; the rest is told to come again, and the owner signs in', async (t) => {
    const rejections: unknown[] = []
    const hear = (reason: unknown): void => void rejections.push(reason)
    process.on('unhandledRejection', hear)
    t.after(() => process.off('unhandledRejection', hear))
    const direct = await openDirect(t, { hashing: { permits: PERMITS, queue: QUEUE } })
    await direct.auth.users.add({ name: 'ada', password: PASSWORD })
    const cookie = deviceCookieOf(await signIn(direct))
    const crowd = Promise.all(Array.from({ length: MANY }, (_, index) => guess(direct, index)))
    let owner = await signIn(direct, cookie)
    while (owner.status === 503) owner = await signIn(direct, cookie)
    assert.equal(owner.status, 200)
    const answers = await crowd
    const tally = Map.groupBy(answers, ({ status }) => status)
    const refused = tally.get(503) ?? []
    const tried = tally.get(401) ?? []
    assert.equal(refused.length + tried.length, MANY)
    assert.ok(tried.length < FEW, `${tried.length} were tried`)
    // One place may have been the owner's.
    assert.ok(tried.length >= PERMITS + QUEUE - 1, `${tried.length} were tried`)
    for (const { headers } of refused) assert.equal(headers.get('retry-after'), '1')
    const rows = await direct.store
      .database<{ auth_throttle: { count: number } }>()
      .selectFrom('auth_throttle')
      .select('count')
      .execute()
    // Four counters each, and those that found the gate full after they were counted.
    assert.ok(rows.length < 8 * FEW, `${rows.length} counters were written`)
    // What was not tried was given back.
    const counted = rows.reduce((total, { count }) => total + count, 0)
    assert.ok(counted <= 4 * tried.length + 4, `${counted} attempts are counted`)
    assert.deepEqual(rejections, [])
  })
})

async function guess({ call }: Direct, index: number): Promise<Response> {
  const json = { username: `name ${index}`, password: 'a wrong guess' }
  const address = `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`
  return await call('/login', { json, peer: { ...TLS, address } })
}

async function signIn({ call }: Direct, cookie?: string): Promise<Response> {
  const json = { username: 'ada', password: PASSWORD }
  return await call('/login', { json, cookie, peer: { ...TLS, address: '192.0.2.1' } })
}
