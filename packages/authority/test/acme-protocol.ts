/** What the ACME server does on every database. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Certificate } from '@countersign/x509'
import { Driver } from './acme-driver.ts'
import { obtain, registered, suiteAcme } from './acme-fixture.ts'

/** Declares the tests. */
export function acmeTests(database: () => Promise<string>): void {
  const suite = suiteAcme({ database })

  it('names its resources in the directory', async () => {
    const { acme } = suite.current
    const answer = await new Driver(acme).get('/directory')
    assert.equal(answer.status, 200)
    for (const name of [
      'newNonce',
      'newAccount',
      'newOrder',
      'revokeCert',
      'keyChange',
      'renewalInfo',
    ]) {
      assert.match(answer.textAt(name), /^https:\/\/ca\.test\/acme\/[a-z-]+$/)
    }
    assert.equal(answer.at('meta.externalAccountRequired'), false)
    assert.match(answer.textAt('meta.profiles.server'), /seven days/)
  })

  for (const type of ['http-01', 'dns-01', 'tls-alpn-01']) {
    it(`issues for a name proven by ${type}`, async () => {
      const { authority } = suite.current
      const driver = await registered(suite.current)
      const name = `${type}.a.test`
      const order = await obtain(suite.current, driver, [name], type)
      assert.deepEqual([order.status, order.at('status')], [200, 'valid'], order.text)
      const chain = await driver.post(order.textAt('certificate'))
      assert.equal(chain.headers.get('content-type'), 'application/pem-certificate-chain')
      const [leaf, issuer, more] = Certificate.parseAll(chain.text)
      assert.deepEqual(leaf?.subjectAltNames, [{ type: 'dns', value: name }])
      assert.equal(issuer?.fingerprint, authority.issuer.fingerprint)
      assert.equal(more, undefined)
      const entry = await authority.find(leaf?.fingerprint ?? '')
      assert.match(entry?.requester ?? '', /^acme [\w-]+ [\w-]+$/)
    })
  }
}
