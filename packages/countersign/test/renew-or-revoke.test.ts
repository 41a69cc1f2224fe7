/**
 * A certificate that one side renews while another revokes it, each with a connection of its own to one PostgreSQL: whoever is first,
 * nothing of it is good afterwards.
 */
import assert from 'node:assert/strict'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Auth, createAuth } from '@countersign/auth'
import { type Authority, createAuthority } from '@countersign/authority'
import { openStore } from '@countersign/store'
import {
  type Postgres,
  scrubProcess,
  skipWithoutPostgres,
  startPostgres,
  temporaryFolder,
} from '@countersign/testkit'
import { PrivateKey } from '@countersign/x509'
import { certifying, renewalsWatchedBy, revocationsHeardBy } from '../src/certificate-owners.ts'

scrubProcess()

const folder = temporaryFolder(after)

interface Rooms {
  readonly auth: Auth
  readonly authority: Authority
}

describe('renewed and revoked at once, on PostgreSQL', { skip: skipWithoutPostgres() }, () => {
  const undo = new AsyncDisposableStack()
  let postgres: Postgres | undefined
  let one: Rooms
  let two: Rooms

  before(async () => {
    const started = await startPostgres()
    postgres = started
    assert.ok(started !== undefined)
    const url = await started.createDatabase()
    one = await open(url)
    two = await open(url)
    await one.auth.users.add({ name: 'robot', kind: 'service' })
  })
  after(async () => {
    await undo.disposeAsync()
    await postgres?.stop()
  })

  async function open(url: string): Promise<Rooms> {
    const store = undo.use(await openStore(url))
    const auth = undo.use(
      await createAuth({ store, certificateAuthority: certifying(() => authority) }),
    )
    const authority = await createAuthority({
      store,
      folder: path.join(folder, 'data'),
      renewals: renewalsWatchedBy(auth),
      onRevoked: revocationsHeardBy(auth),
    })
    return { auth, authority }
  }

  it('leaves nobody a certificate, a row, or a successor', async () => {
    const { publicKey } = await PrivateKey.generate('p256')
    const request = { names: ['robot'], publicKey, profile: 'client', requester: 'a test' } as const
    for (let round = 0; round < 12; round++) {
      const { certificate } = await one.authority.issue(request)
      const { fingerprint } = certificate
      await one.auth.certificates.add('robot', certificate.der)
      const [first, second] = round % 2 === 0 ? [one, two] : [two, one]
      const revoke = async (): Promise<unknown> =>
        round % 4 < 2
          ? second.authority.revoke(fingerprint)
          : second.auth.certificates.revoke(fingerprint)
      const [renewed] = await Promise.allSettled([
        first.authority.renew(fingerprint, { requester: 'robot' }),
        revoke(),
      ])
      assert.ok((await one.authority.find(fingerprint))?.revokedAt !== undefined)
      assert.deepEqual(await two.auth.certificates.list('robot'), [])
      if (renewed.status === 'fulfilled') {
        const { serialNumber } = renewed.value
        assert.ok((await two.authority.find(serialNumber))?.revokedAt !== undefined)
      } else {
        const { code } = renewed.reason
        assert.ok(['certificate-revoked', 'renewal-refused'].includes(code), String(renewed.reason))
      }
    }
    const live = await one.authority.list({ revoked: false })
    assert.deepEqual(
      live.filter(({ names }) => names.some((name) => name.includes('robot'))),
      [],
    )
  })
})
