/**
 * A certificate that is somebody's, revoked at the authority: by its route, by ACME, by a command beside the service. Whatever hangs on
 * it ends with it.
 */
import assert from 'node:assert/strict'
import { createPublicKey, sign } from 'node:crypto'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { type Auth, createAuth } from '@countersign/auth'
import { type Authority, createAuthority } from '@countersign/authority'
import { Session } from '@countersign/client'
import { openStore } from '@countersign/store'
import { runProgram, scrubProcess, temporaryFolder } from '@countersign/testkit'
import { Certificate, createRequest, PrivateKey } from '@countersign/x509'
import { certifying, renewalsWatchedBy, revocationsHeardBy } from '../src/certificate-owners.ts'
import { dataFolder } from '../src/data-folder.ts'
import { withAuthorityAndUsers } from '../src/open-data.ts'
import { startService } from '../src/service/service.ts'
import { PASSWORD, signIn, startUp } from './running-service.ts'

scrubProcess()

const folder = temporaryFolder(after)

/** The service, in this process or in several. */
interface Running extends AsyncDisposable {
  readonly data: string
  readonly roots: string
  readonly url: string
}

async function started(place: string, workers: number): Promise<Running> {
  if (workers > 1) return await startUp(place, ['--workers', String(workers)])
  const data = dataFolder(place)
  const service = await startService({ data, listen: '127.0.0.1:0', note: () => {} })
  return {
    data: place,
    roots: data.roots,
    url: service.url,
    [Symbol.asyncDispose]: async () => service.close(),
  }
}

interface Owned {
  readonly key: PrivateKey
  readonly chainPem: string
  readonly leaf: Certificate
}

for (const workers of [1, 2]) {
  describe(`revoked at the authority of up, ${workers} at work`, () => {
    let service: Running
    let admin: Session
    let ada: Session

    before(async () => {
      service = await started(path.join(folder, `up-${workers}`), workers)
      await beside(async (_authority, auth) => {
        await auth.users.add({ name: 'root', password: PASSWORD, roles: ['admin'] })
        await auth.users.add({ name: 'ada', password: PASSWORD })
      })
      admin = await signIn(service, 'root')
      ada = await signIn(service, 'ada')
    })
    after(async () => {
      await admin?.close()
      await ada?.close()
      await service[Symbol.asyncDispose]()
    })

    /** Work on the same folder in this process, as a command beside the service does it. */
    async function beside<T>(work: (authority: Authority, auth: Auth) => Promise<T>): Promise<T> {
      return await withAuthorityAndUsers(dataFolder(service.data), work)
    }

    /** A certificate of ada's, by her own request. */
    async function certify(): Promise<Owned> {
      const key = await PrivateKey.generate('p256')
      const csr = createRequest({ key, subjectAltNames: [] }).pem
      const answer = await ada.post('/auth/factors', { json: { type: 'client_cert', csr } })
      const text = await answer.text()
      assert.equal(answer.status, 201, text)
      const { chain: chainPem } = JSON.parse(text)
      const [leaf] = Certificate.parseAll(chainPem)
      assert.ok(leaf !== undefined)
      return { key, chainPem, leaf }
    }

    /** Whom the service sees behind it, on a connection that stays open as long as it is used. */
    async function held({ key, chainPem }: Owned): Promise<Session> {
      const session = new Session({
        baseUrl: service.url,
        ca: service.roots,
        cert: chainPem,
        key: key.toPem(),
      })
      assert.match(await seen(session), /^200 .*"via":"mtls"/)
      return session
    }

    /** Everything of the certificate has ended: its row, a token bound to it, the connection. */
    async function hasEnded({ leaf }: Owned, tokenId: string, open: Session): Promise<void> {
      const { fingerprint } = leaf
      await beside(async (_authority, auth) => {
        const left = (await auth.certificates.list('ada')).map((each) => each.fingerprint)
        assert.ok(!left.includes(fingerprint), 'the row of the factor has ended')
        const tokens = (await auth.tokens.list('ada')).map(({ id }) => id)
        assert.ok(!tokens.includes(tokenId), 'the bound token has ended')
        assert.equal(await auth.certificates.revoke(fingerprint), false)
      })
      const shown = await (await ada.get('/auth/factors')).text()
      assert.ok(!shown.includes(fingerprint), shown)
      const end = performance.now() + 30_000
      for (let answer = ''; !/^403 .*"revoked"/.test(answer); answer = await seen(open)) {
        assert.ok(performance.now() < end, `still ${answer} after 30 s`)
        await wait(20)
      }
    }

    async function bound({ leaf }: Owned): Promise<string> {
      const x5tS256 = Buffer.from(leaf.fingerprint, 'hex').toString('base64url')
      return await beside(async (_authority, auth) => {
        const { info } = await auth.tokens.create('ada', { label: 'bound', x5tS256 })
        return info.id
      })
    }

    const WAYS: readonly (readonly [string, (owned: Owned) => Promise<void>])[] = [
      [
        'POST /ca/certificates/{serial}/revoke',
        async ({ leaf }) => {
          const answer = await admin.post(`/ca/certificates/${leaf.serialNumber}/revoke`, {
            json: { reason: 'keyCompromise' },
          })
          assert.equal(answer.status, 200, await answer.text())
        },
      ],
      [
        'ACME, by its own key',
        async ({ leaf, key }) => {
          const url = `${service.url}/acme/revoke-cert`
          const { headers } = await admin.head('/acme/new-nonce')
          const { kty, crv, x, y } = createPublicKey(key.keyObject).export({ format: 'jwk' })
          const head = encode({
            alg: 'ES256',
            jwk: { kty, crv, x, y },
            nonce: headers.get('replay-nonce'),
            url,
          })
          const payload = encode({ certificate: Buffer.from(leaf.der).toString('base64url') })
          const signature = sign('sha256', Buffer.from(`${head}.${payload}`), {
            key: key.keyObject,
            dsaEncoding: 'ieee-p1363',
          }).toString('base64url')
          const answer = await admin.post(url, {
            body: JSON.stringify({ protected: head, payload, signature }),
            headers: { 'content-type': 'application/jose+json' },
          })
          assert.equal(answer.status, 200, await answer.text())
        },
      ],
      [
        'countersign revoke beside it',
        async ({ leaf }) => {
          if (workers === 1) {
            await beside(async (authority) => authority.revoke(leaf.serialNumber))
            return
          }
          const { code, stderr } = await runProgram([
            'revoke',
            leaf.serialNumber,
            '--data',
            service.data,
          ])
          assert.equal(code, 0, stderr)
        },
      ],
    ]

    for (const [way, revoke] of WAYS) {
      it(`ends the factor, what is bound to it and its connection: ${way}`, async () => {
        const [owned, other] = [await certify(), await certify()]
        const tokenId = await bound(owned)
        await using open = await held(owned)
        await using others = await held(other)
        await revoke(owned)
        await hasEnded(owned, tokenId, open)
        // The twin: what is hers beside it goes on.
        assert.match(await seen(others), /^200 .*"via":"mtls"/)
      })
    }
  })
}

describe('sign-in that hears what its authority revokes', () => {
  it('ends bound sessions and successors, once, from either side; a stranger’s certificate ends nothing', async () => {
    await using store = await openStore('sqlite::memory:')
    await using auth = await createAuth({
      store,
      session: { bindCertificate: true },
      certificateAuthority: certifying(() => authority),
    })
    const authority = await createAuthority({
      store,
      folder: path.join(folder, 'rooms'),
      renewals: renewalsWatchedBy(auth),
      onRevoked: revocationsHeardBy(auth),
    })
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const issue = async (): Promise<Certificate> => {
      const { publicKey } = await PrivateKey.generate('p256')
      const { certificate } = await authority.issue({
        names: ['ada'],
        publicKey,
        profile: 'client',
        requester: 'a test',
      })
      return certificate
    }
    const registered = async (): Promise<Certificate> => {
      const certificate = await issue()
      await auth.certificates.add('ada', certificate.der)
      return certificate
    }
    const signInWith = async (certificate: Certificate): Promise<void> => {
      const answer = await auth.routes.request(
        'https://localhost/login',
        {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ username: 'ada', password: PASSWORD }),
        },
        { peer: { address: '127.0.0.1', encrypted: true, certificate } },
      )
      assert.equal(answer.status, 200, await answer.text())
    }
    const sessions = async (): Promise<number> => (await auth.sessions.list('ada')).length
    const left = async (): Promise<number> => (await auth.certificates.list('ada')).length

    const [first, second] = [await registered(), await registered()]
    await signInWith(first)
    await signInWith(second)
    const { certificate: renewed } = await authority.renew(first.fingerprint, { requester: 'ada' })
    assert.deepEqual([await sessions(), await left()], [2, 3])

    await authority.revoke((await issue()).fingerprint)
    assert.deepEqual([await sessions(), await left()], [2, 3])

    await authority.revoke(first.serialNumber, 'superseded')
    assert.deepEqual([await sessions(), await left()], [1, 1])
    assert.ok((await authority.find(renewed.fingerprint))?.revokedAt !== undefined)
    // Again, which finishes what might have failed, and ends nothing else.
    await authority.revoke(first.serialNumber)
    assert.deepEqual([await sessions(), await left()], [1, 1])

    assert.equal(await auth.certificates.revoke(second.fingerprint), true)
    assert.deepEqual([await sessions(), await left()], [0, 0])
    assert.ok((await authority.find(second.fingerprint))?.revokedAt !== undefined)
    assert.equal(await auth.certificates.revoke(second.fingerprint), false)
  })

  it('is told again where it could not be told, and whoever revoked hears of the fault', async () => {
    await using store = await openStore('sqlite::memory:')
    let faults = 1
    const told: string[] = []
    const authority = await createAuthority({
      store,
      folder: path.join(folder, 'told'),
      onRevoked: async ({ fingerprint }) => {
        if (faults-- > 0) throw new TypeError('not now')
        told.push(fingerprint)
      },
    })
    const { publicKey } = await PrivateKey.generate('p256')
    const request = { names: ['ada'], publicKey, profile: 'client', requester: 'a test' } as const
    const { certificate } = await authority.issue(request)
    await assert.rejects(authority.revoke(certificate.fingerprint), /not now/)
    assert.ok((await authority.find(certificate.fingerprint))?.revokedAt !== undefined)
    await authority.revoke(certificate.fingerprint)
    assert.deepEqual(told, [certificate.fingerprint])
  })
})

/** What it is answered; nothing where the connection ends under the question. */
async function seen(session: Session): Promise<string> {
  try {
    const answer = await session.get('/auth/session')
    return `${answer.status} ${await answer.text()}`
  } catch (error) {
    return String(error)
  }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
