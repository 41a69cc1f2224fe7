import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { scrubProcess } from '@countersign/testkit'
import { clientRequest, makeAuthority, serverRequest } from './fixture.ts'

scrubProcess()

const SECOND = 1000
const DAY = 86_400 * SECOND

describe('the validity of a certificate', () => {
  it('starts a minute back, in whole seconds, and lasts as long as was asked', async (t) => {
    const now = new Date('2030-05-06T07:08:09.999Z')
    const clock = (): Date => now
    const { authority } = await makeAuthority(t, { clock })
    const server = (await authority.issue(serverRequest())).certificate
    assert.equal(server.notBefore.toISOString(), '2030-05-06T07:07:09.000Z')
    assert.equal(server.notAfter.toISOString(), '2030-05-13T07:08:09.000Z')
    const client = (await authority.issue(clientRequest({ days: 0.5 }))).certificate
    assert.equal(client.notAfter.toISOString(), '2030-05-06T19:08:09.000Z')
    const [root] = authority.roots
    assert.equal(root?.notAfter.toISOString(), '2040-05-06T07:07:09.000Z')
    assert.equal(authority.issuer.notAfter.toISOString(), '2031-05-06T07:07:09.000Z')
  })

  it('is cut to the end of the issuer, and refused when less than a minute is left', async (t) => {
    let now = new Date('2030-01-01T00:00:00Z')
    const clock = (): Date => now
    const { authority } = await makeAuthority(t, { clock })
    const end = authority.issuer.notAfter.getTime()
    now = new Date(end - 3 * DAY)
    const cut = await authority.issue(serverRequest())
    assert.equal(cut.certificate.notAfter.getTime(), end)
    assert.equal(cut.cutToIssuer, true)
    assert.equal((await authority.issue(serverRequest({ days: 3 }))).cutToIssuer, false)
    now = new Date(end - 60 * SECOND)
    assert.equal((await authority.issue(serverRequest())).certificate.notAfter.getTime(), end)
    now = new Date(end - 59 * SECOND)
    await assert.rejects(authority.issue(serverRequest()), {
      code: 'issuer-expired',
      message: /ends at 2030-12-31/,
    })
    now = new Date(end + DAY)
    await assert.rejects(authority.issue(serverRequest()), {
      code: 'issuer-expired',
      message: /ended at/,
    })
    now = new Date(authority.roots[0]?.notAfter ?? 0)
    await assert.rejects(authority.issue(serverRequest()), { code: 'root-expired' })
  })

  it('is refused when the clock was never set, or stands before the authority was made', async (t) => {
    let now = new Date('2030-01-01T00:00:00Z')
    const clock = (): Date => now
    const { authority } = await makeAuthority(t, { clock })
    for (const wrong of [
      '1970-01-01T00:00:12Z',
      '2023-12-31T23:59:59Z',
      '2029-12-31T23:00:00Z',
      'never',
    ]) {
      now = new Date(wrong)
      await assert.rejects(authority.issue(serverRequest()), { code: 'clock-wrong' }, wrong)
    }
    assert.deepEqual(await authority.list(), [])
  })
})
