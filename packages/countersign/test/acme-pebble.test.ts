import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import {
  type CommandResult,
  type RunningCommand,
  runProgram,
  scrubProcess,
  skipWithout,
  startCommand,
  startDnsServer,
  temporaryFolder,
  testAuthority,
  type TestDnsServer,
} from '@countersign/testkit'
import { Certificate, PrivateKey } from '@countersign/x509'
import { HTTP_PORT, ownAddress, TLS_PORT, writeHook } from './acme-machine.ts'

scrubProcess()

const skip =
  process.platform === 'linux'
    ? skipWithout('pebble', 'sh')
    : 'needs the addresses of 127.0.0.0/8 (Linux)'

describe('countersign issue --acme against pebble, a fifth of its nonces refused', { skip }, () => {
  const folder = temporaryFolder(after)
  const records = temporaryFolder(after)
  const config = path.join(folder, 'config')
  const address = ownAddress()
  let dns: TestDnsServer
  let pebble: RunningCommand
  let ca: string
  before(async () => {
    dns = await startDnsServer((name) => {
      try {
        return [readFileSync(path.join(records, name), 'utf8')]
      } catch {
        return []
      }
    })
    const authority = testAuthority()
    const server = authority.issue({ names: [address] })
    ca = path.join(folder, 'pebble-roots.pem')
    const [cert, key, settings] = ['pebble.crt', 'pebble.key', 'pebble.json'].map((name) =>
      path.join(folder, name),
    )
    writeFileSync(ca, authority.rootPem)
    writeFileSync(cert ?? '', server.chainPem)
    writeFileSync(key ?? '', server.keyPem)
    writeFileSync(
      settings ?? '',
      JSON.stringify({
        pebble: {
          listenAddress: `${address}:${PEBBLE_PORT}`,
          managementListenAddress: `${address}:${PEBBLE_PORT + 1}`,
          certificate: cert,
          privateKey: key,
          httpPort: HTTP_PORT,
          tlsPort: TLS_PORT,
          externalAccountBindingRequired: false,
        },
      }),
    )
    pebble = startCommand('pebble', ['-config', settings ?? '', '-dnsserver', dns.address], {
      env: { PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '20', PEBBLE_AUTHZREUSE: '0' },
    })
    await pebble.waitForOutput('ACME directory available at')
  })
  after(async () => {
    await pebble[Symbol.asyncDispose]()
    await dns[Symbol.asyncDispose]()
  })

  async function issue(...args: readonly string[]): Promise<CommandResult> {
    const server = ['--acme', `https://${address}:${PEBBLE_PORT}/dir`, '--ca', ca]
    return await runProgram(['issue', ...args, ...server, '--out', folder], {
      env: { COUNTERSIGN_CONFIG: path.join(config, String(args[0])) },
    })
  }

  it('asks before it agrees to the terms of the server', async () => {
    const { code, stderr } = await issue('a.test', '--http-port', `${address}:${HTTP_PORT}`)
    assert.equal(code, 1)
    assert.match(stderr, /terms of service[\s\S]*--acme-agree/)
  })

  describe('obtains and revokes a certificate', { concurrency: true }, () => {
    for (const type of ['http', 'tls', 'dns'] as const) {
      it(`by ${type}${type === 'http' ? ', and another in its place' : ''}`, async () => {
        const name = `${type}.pebble.test`
        const own = ownAddress()
        dns.set(name, 'A', own)
        const hook = writeHook(
          folder,
          'dns-hook',
          `[ "$1" = present ] && printf %s "$3" > "${records}/$2"; exit 0`,
        )
        const how = {
          http: ['--http-port', `${own}:${HTTP_PORT}`],
          tls: ['--tls-port', `${own}:${TLS_PORT}`],
          dns: ['--dns-hook', hook],
        }[type]
        const names = type === 'dns' ? [name, `*.${name}`] : [name]
        const first = await issue(...names, ...how, '--acme-agree', '--json')
        assert.equal(first.code, 0, first.stderr)
        const file = path.join(folder, `${name}.crt`)
        const [leaf, issuer] = Certificate.parseAll(readFileSync(file, 'utf8'))
        assert.deepEqual(
          leaf?.subjectAltNames.map((one) => ('value' in one ? one.value : '')).toSorted(),
          names.toSorted(),
        )
        assert.equal(issuer !== undefined && leaf?.issuedBy(issuer), true)
        const keyFile = path.join(folder, `${name}.key`)
        assert.equal(statSync(keyFile).mode & 0o777, 0o600)
        const key = PrivateKey.parse(readFileSync(keyFile, 'utf8'))
        assert.equal(leaf !== undefined && key.publicKey.equals(leaf.publicKey), true)
        const facts = JSON.parse(first.stdout)
        assert.equal(facts.serial, leaf?.serialNumber)
        assert.equal(statSync(facts.files.renewal).mode & 0o777, 0o600)
        if (type !== 'http') return
        const again = await issue(...names, ...how, '--acme-agree')
        assert.deepEqual([again.code, /is there already/.test(again.stderr)], [1, true])
        const forced = await issue(...names, ...how, '--acme-agree', '--force')
        assert.equal(forced.code, 0, forced.stderr)
        const [later] = Certificate.parseAll(readFileSync(file, 'utf8'))
        assert.notEqual(later?.fingerprint, leaf?.fingerprint)
      })
    }

    it('revokes what it obtained, once, and nothing without the account', async () => {
      const name = 'revoked.pebble.test'
      const own = ownAddress()
      dns.set(name, 'A', own)
      const made = await issue(name, '--http-port', `${own}:${HTTP_PORT}`, '--acme-agree')
      assert.equal(made.code, 0, made.stderr)
      const revoke = async (account: string): Promise<CommandResult> =>
        runProgram(
          [
            'revoke',
            path.join(folder, `${name}.crt`),
            '--reason',
            'superseded',
            '--acme',
            `https://${address}:${PEBBLE_PORT}/dir`,
            '--ca',
            ca,
          ],
          { env: { COUNTERSIGN_CONFIG: path.join(config, account) } },
        )
      const stranger = await revoke('nobody')
      assert.deepEqual([stranger.code, /there is no account/.test(stranger.stderr)], [1, true])
      const revoked = await revoke(name)
      assert.equal(revoked.code, 0, revoked.stderr)
      const again = await revoke(name)
      assert.deepEqual([again.code, /alreadyRevoked/.test(again.stderr)], [4, true])
    })
  })

  it('says what the server said where a name cannot be proven', async () => {
    dns.set('elsewhere.test', 'A', ownAddress())
    const port = `${address}:${HTTP_PORT}`
    const { code, stderr } = await issue('elsewhere.test', '--http-port', port, '--acme-agree')
    assert.equal(code, 4)
    assert.match(stderr, /elsewhere\.test: .*(connection|refused)/i)
  })

  it('refuses what does not go together', async () => {
    const rows = [
      [['--http-port', '80', '--dns-hook', 'true'], 'give one of'],
      [['--client'], '--client does not go with --acme'],
      [['--acme-eab-kid', 'a'], 'belong together'],
    ] as const
    const results = await Promise.all(rows.map(async ([args]) => issue('a.test', ...args)))
    for (const [index, { code, stderr }] of results.entries()) {
      assert.equal(code, 2)
      assert.ok(stderr.includes(rows[index]?.[1] ?? '-'), stderr)
    }
    const { code, stderr } = await runProgram(['issue', 'a.test', '--dns-hook', 'true'])
    assert.deepEqual([code, /--dns-hook needs --acme/.test(stderr)], [2, true])
  })
})

const PEBBLE_PORT = 27_400
