import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openAuthority } from '@countersign/authority'
import { scrubProcess } from '@countersign/testkit'
import { type Certificate, PrivateKey } from '@countersign/x509'
import { clientRequest, codeOf, makeAuthority, serverRequest, suiteAuthority } from './fixture.ts'

scrubProcess()

const DAY_MS = 86_400_000

describe('renew', () => {
  const suite = suiteAuthority()

  for (const [title, request] of [
    [
      'a server',
      serverRequest({ names: ['api.corp.internal', '10.1.2.3', '*.api.corp.internal'] }),
    ],
    ['a client by a plain name', clientRequest()],
    ['a client by plain names', clientRequest({ names: ['alice', 'bob', 'alice@corp.internal'] })],
    ['a client by its address', clientRequest({ names: ['alice@corp.internal'], days: 3 })],
    ['a server of an hour', serverRequest({ days: 1 / 24 })],
  ] as const) {
    it(`gives ${title} the same names, key, profile and lifetime`, async () => {
      const { authority } = suite.current
      const { certificate: before } = await authority.issue(request)
      const { certificate, chain } = await authority.renew(before.fingerprint, { requester: 'r' })
      assert.deepEqual(certificate.subjectAltNames, before.subjectAltNames)
      assert.equal(certificate.subject.toString(), before.subject.toString())
      assert.ok(certificate.publicKey.equals(before.publicKey))
      assert.deepEqual(certificate.extensions.extendedKeyUsage, before.extensions.extendedKeyUsage)
      assert.notEqual(certificate.serialNumber, before.serialNumber)
      assert.ok(Math.abs(lifeMs(certificate) - lifeMs(before)) <= 2000)
      assert.equal(chain[1], authority.issuer)
      const entry = await authority.find(certificate.serialNumber)
      assert.equal(entry?.requester, 'r')
      assert.deepEqual(entry?.names, (await authority.find(before.serialNumber))?.names)
      const again = await authority.renew(certificate.serialNumber, { requester: 'r' })
      assert.deepEqual(again.certificate.subjectAltNames, before.subjectAltNames)
    })
  }

  it('certifies a new key where one is given', async () => {
    const { authority } = suite.current
    const { publicKey } = PrivateKey.generateSync('ed25519')
    const { serialNumber } = await authority.issue(serverRequest())
    const { certificate } = await authority.renew(serialNumber, { publicKey, requester: 'r' })
    assert.ok(certificate.publicKey.equals(publicKey))
  })

  it('refuses what was revoked, and what is unknown', async () => {
    const { authority } = suite.current
    const { serialNumber } = await authority.issue(serverRequest())
    await authority.revoke(serialNumber)
    const renew = async (serial: string) => codeOf(authority.renew(serial, { requester: 'r' }))
    assert.equal(await renew(serialNumber), 'certificate-revoked')
    assert.equal(await renew('00AA'), 'certificate-unknown')
    assert.equal(await renew('not a serial'), 'certificate-unknown')
  })

  it('asks the policy of today, and cuts the lifetime to it', async () => {
    const { authority, store, folder } = suite.current
    const { serialNumber } = await authority.issue(serverRequest({ days: 30 }))
    const stricter = async (allow: string) =>
      openAuthority({ store, folder, policy: { allow: [allow], maxDays: 2 } })
    const refused = (await stricter('.other.internal')).renew(serialNumber, { requester: 'r' })
    assert.equal(await codeOf(refused), 'name-refused')
    const renewed = await (await stricter('.corp.internal')).renew(serialNumber, { requester: 'r' })
    assert.ok(lifeMs(renewed.certificate) <= 2 * DAY_MS + 120_000)
  })

  it('gives the usual lifetime where the one before was cut to the end of its issuer', async (t) => {
    let now = Date.now()
    const { authority } = await makeAuthority(t, { clock: () => new Date(now) })
    now = authority.issuer.notAfter.getTime() - DAY_MS
    const { serialNumber, cutToIssuer } = await authority.issue(serverRequest())
    assert.equal(cutToIssuer, true)
    now -= 30 * DAY_MS
    const { certificate } = await authority.renew(serialNumber, { requester: 'r' })
    assert.ok(Math.abs(lifeMs(certificate) - 7 * DAY_MS) < 120_000)
  })
})

function lifeMs(certificate: Certificate): number {
  return certificate.notAfter.getTime() - certificate.notBefore.getTime()
}
