/** A root with name constraints that openssl has made, taken over; and what openssl makes of what it signs. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { importAuthority } from '@countersign/authority'
import { runCommand, scrubProcess, skipWithout, temporaryFolder } from '@countersign/testkit'
import { Certificate, PrivateKey } from '@countersign/x509'
import { codeOf, openMemory, serverRequest } from './fixture.ts'

scrubProcess()

const CONFIGURATION = `
[req]
distinguished_name = dn
x509_extensions = ca
prompt = no
[dn]
O = Old Works
CN = Old Root
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
nameConstraints = critical, permitted;DNS:corp.internal, permitted;IP:10.0.0.0/255.0.0.0, excluded;DNS:secret.corp.internal, permitted;email:.corp.internal
`

describe('importAuthority of a root that openssl has constrained', {
  skip: skipWithout('openssl'),
}, () => {
  it('signs what openssl takes, and refuses by name what openssl would refuse', async (t) => {
    const made = temporaryFolder(t)
    const file = (name: string): string => path.join(made, name)
    writeFileSync(file('ca.cnf'), CONFIGURATION)
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
    const out = ['-keyout', file('ca.key'), '-out', file('ca.pem')]
    await runCommand('openssl', [
      'req',
      '-x509',
      '-config',
      file('ca.cnf'),
      '-days',
      '3650',
      ...key,
      ...out,
    ])
    const root = {
      certificate: Certificate.parse(readFileSync(file('ca.pem'))),
      key: PrivateKey.parse(readFileSync(file('ca.key'))),
    }
    const folder = temporaryFolder(t)
    const { authority, findings } = await importAuthority({
      store: await openMemory(t),
      folder,
      root,
    })
    assert.ok(findings.length > 0)
    const verdictOf = async (names: string[]): Promise<string> => {
      const { chain } = await authority.issue(serverRequest({ names }))
      writeFileSync(file('leaf.pem'), chain[0].pem)
      writeFileSync(
        file('above.pem'),
        chain
          .slice(1)
          .map(({ pem }) => pem)
          .join(''),
      )
      const places = ['-CAfile', file('ca.pem'), '-untrusted', file('above.pem')]
      return (await runCommand('openssl', ['verify', ...places, file('leaf.pem')])).stdout
    }
    const allowed = ['api.corp.internal', '*.corp.internal', '10.1.2.3']
    assert.match(await verdictOf(allowed), /: OK/)
    await authority.roll('issuer')
    assert.match(await verdictOf(allowed), /: OK/)
    for (const name of ['api.example', 'a.secret.corp.internal', '192.168.1.1', 'xcorp.internal']) {
      assert.equal(await codeOf(verdictOf(['api.corp.internal', name])), 'name-constraint', name)
    }
    const mail = { profile: 'client', names: ['ann@other.internal'] } as const
    assert.equal(await codeOf(authority.issue(serverRequest(mail))), 'name-constraint')
  })
})
