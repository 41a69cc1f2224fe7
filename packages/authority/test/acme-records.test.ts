import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createAcme } from '@countersign/authority'
import { scrubProcess } from '@countersign/testkit'
import { parseGeneralName } from '@countersign/x509'
import { arrange, registered, suiteAcme, tokenOf } from './acme-fixture.ts'
import { challengeContext, startTlsHost } from './acme-hosts.ts'
import { refuses, type SpoilHost } from './acme-validating.ts'

scrubProcess()

const suite = suiteAcme()

type Change = Partial<Parameters<typeof challengeContext>[0]>
const showing =
  (change: (name: string, right: string) => Change): SpoilHost =>
  (name, driver, authorization) => {
    const proof = driver.keyAuthorization(tokenOf(authorization, 'tls-alpn-01'))
    const right = { names: [parseGeneralName(name)], keyAuthorization: proof }
    suite.current.tls.contexts.set(name, challengeContext({ ...right, ...change(name, proof) }))
  }

/** Where the record of a name is. */
function record(name: string): string {
  return `_acme-challenge.${name}`
}

describe('ACME, records and certificates that are looked at', () => {
  describe('dns-01', () => {
    it('refuses another record', () =>
      refuses(suite.current, 'dns-01', 'incorrectResponse', /none of the 2 TXT records/, (name) => {
        suite.current.dns.set(record(name), 'TXT', 'one', 'two')
      }))
    it('refuses no record', () =>
      refuses(suite.current, 'dns-01', 'incorrectResponse', /has no TXT record/, (name) => {
        suite.current.dns.set(record(name), 'TXT')
      }))
    it('refuses an alias of itself', () =>
      refuses(suite.current, 'dns-01', 'dns', /alias/, (name) => {
        suite.current.dns.set(record(name), 'TXT')
        suite.current.dns.set(record(name), 'CNAME', record(name))
      }))
    it('refuses where the resolver fails', () =>
      refuses(suite.current, 'dns-01', 'dns', /could not be looked up/, (name) => {
        suite.current.dns.fail(record(name), 2)
      }))
  })

  describe('tls-alpn-01', () => {
    for (const [name, words, change] of [
      ['an extension that is not critical', /not critical/, () => ({ critical: false })],
      ['no extension', /has no acmeIdentifier/, () => ({ value: null })],
      ['the digest of something else', /not the digest/, () => ({ keyAuthorization: 'else' })],
      ['a digest without its frame', /not the digest/, () => ({ value: new Uint8Array(32) })],
      [
        'more names',
        /not for this name alone/,
        (host: string) => ({ names: [host, 'b.test'].map(parseGeneralName) }),
      ],
      ['another name', /not for this name alone/, () => ({ names: [parseGeneralName('b.test')] })],
      ['a wildcard', /not for this name alone/, () => ({ names: [parseGeneralName('*.a.test')] })],
    ] as const) {
      it(`refuses a certificate with ${name}`, () =>
        refuses(suite.current, 'tls-alpn-01', 'incorrectResponse', words, showing(change)))
    }

    it('refuses a host that has nothing for the name', () =>
      refuses(
        suite.current,
        'tls-alpn-01',
        'tls',
        /could not be trusted|could not be asked/,
        (name) => {
          suite.current.tls.contexts.delete(name)
        },
      ))

    it('refuses a host that speaks another protocol', async () => {
      await using plain = await startTlsHost(['http/1.1'])
      await using acme = await createAcme({ ...suite.current.options, tlsPort: plain.port })
      const fixture = { ...suite.current, acme, tls: plain }
      const driver = await registered(fixture)
      const order = await driver.order(['alpn.a.test'])
      const authorization = await driver.post(order.textAt('authorizations.0'))
      const url = arrange(fixture, driver, authorization, 'tls-alpn-01')
      await driver.post(url, {})
      await acme.settled()
      assert.equal((await driver.post(url)).at('status'), 'invalid')
    })
  })
})
