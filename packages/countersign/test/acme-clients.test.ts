import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import {
  outsideTool,
  requireTool,
  runCommand,
  type CommandResult,
  scrubProcess,
  skipWithout,
  startCommand,
  temporaryFolder,
} from '@countersign/testkit'
import { Certificate, verifyChain } from '@countersign/x509'
import {
  type AcmeMachine,
  canMount,
  HTTP_PORT,
  startAcmeMachine,
  SYSTEM_ROOTS,
  TLS_PORT,
  writeHook,
} from './acme-machine.ts'

scrubProcess()

const skip =
  process.platform === 'linux' ? skipWithout('sh') : 'needs the addresses of 127.0.0.0/8 (Linux)'

describe('ACME clients of others, a fifth of their nonces refused', { skip }, () => {
  const folder = temporaryFolder(after)
  let machine: AcmeMachine
  before(async () => {
    machine = await startAcmeMachine(folder)
  })
  after(() => machine[Symbol.asyncDispose]())

  /** A chain as a client wrote it: ours, for this name, not revoked. */
  async function checkChain(file: string, name: string): Promise<string> {
    const { authority } = machine.service
    const [leaf, ...intermediates] = Certificate.parseAll(readFileSync(file, 'utf8'))
    assert.ok(leaf)
    const verdict = verifyChain({
      leaf,
      intermediates,
      roots: authority.roots,
      purpose: 'server',
      name: { dns: name },
    })
    assert.equal(verdict.ok, true)
    const entry = await authority.find(leaf.fingerprint)
    assert.equal(entry?.revokedAt, undefined)
    return leaf.fingerprint
  }

  async function isRevoked(fingerprint: string): Promise<boolean> {
    return (await machine.service.authority.find(fingerprint))?.revokedAt !== undefined
  }

  describe('lego', { skip: skipWithout('lego') }, () => {
    for (const type of ['http', 'dns', 'tls'] as const) {
      it(`obtains, renews and revokes by ${type}`, async () => {
        const name = `${type}.lego.test`
        const address = machine.place(name)
        const data = path.join(folder, `lego-${type}`)
        const hook = writeHook(
          folder,
          'lego-hook',
          // "present" or "cleanup", the name of the record with a dot, its value.
          'name="${2%.}"',
          `[ "$1" = present ] && printf %s "$3" > "${machine.records}/$name"; exit 0`,
        )
        const how = {
          http: ['--http', '--http.port', `${address}:${HTTP_PORT}`],
          tls: ['--tls', '--tls.port', `${address}:${TLS_PORT}`],
          dns: ['--dns', 'exec', '--dns.disable-cp', '--dns.resolvers', machine.dns.address],
        }
        const lego = async (...args: readonly string[]): Promise<CommandResult> =>
          runCommand(
            outsideTool('lego') ?? '',
            [
              '-s',
              machine.directory,
              '-a',
              '-m',
              'ops@a.test',
              '--path',
              data,
              '-d',
              name,
              ...how[type],
              ...args,
            ],
            {
              env: { LEGO_CA_CERTIFICATES: machine.roots, EXEC_PATH: hook },
            },
          )
        const file = path.join(data, 'certificates', `${name}.crt`)
        const first = await lego('run')
        assert.equal(first.code, 0, first.stderr)
        const earlier = await checkChain(file, name)
        const renewed = await lego('renew', '--days', '90', '--no-random-sleep')
        assert.equal(renewed.code, 0, renewed.stderr)
        const later = await checkChain(file, name)
        assert.notEqual(later, earlier)
        const revoked = await lego('revoke')

        assert.equal(revoked.code, 0, revoked.stderr)
        assert.deepEqual([await isRevoked(earlier), await isRevoked(later)], [false, true])
      })
    }
  })
  describe('certbot', { skip: skipWithout('certbot') }, () => {
    for (const type of ['http', 'dns'] as const) {
      it(`obtains, renews and revokes by ${type}${type === 'dns' ? ', with a wildcard' : ''}`, async () => {
        const name = `${type}.certbot.test`
        const address = machine.place(name)
        const data = path.join(folder, `certbot-${type}`)
        const hook = writeHook(
          folder,
          'certbot-hook',
          `printf %s "$CERTBOT_VALIDATION" > "${machine.records}/_acme-challenge.$CERTBOT_DOMAIN"`,
        )
        const how = {
          http: ['--standalone', '--http-01-address', address, '--http-01-port', String(HTTP_PORT)],
          dns: ['--manual', '--preferred-challenges', 'dns', '--manual-auth-hook', hook],
        }
        const certbot = async (...args: readonly string[]): Promise<CommandResult> =>
          runCommand(
            outsideTool('certbot') ?? '',
            [
              ...args,
              '--non-interactive',
              '--server',
              machine.directory,
              '--config-dir',
              data,
              '--work-dir',
              data,
              '--logs-dir',
              data,
            ],
            { env: { REQUESTS_CA_BUNDLE: machine.roots } },
          )
        const file = path.join(data, 'live', name, 'fullchain.pem')
        const wanted = type === 'dns' ? `*.${name}` : name
        const names = ['--cert-name', name, '-d', wanted]
        const agreed = ['--agree-tos', '--register-unsafely-without-email']
        const first = await certbot('certonly', ...how[type], ...agreed, ...names)
        assert.equal(first.code, 0, first.stderr)
        const earlier = await checkChain(file, wanted.replace('*', 'any'))
        const renewed = await certbot('renew', '--force-renewal', '--no-random-sleep-on-renew')
        assert.equal(renewed.code, 0, renewed.stderr)
        const later = await checkChain(file, wanted.replace('*', 'any'))
        assert.notEqual(later, earlier)
        const revoked = await certbot('revoke', '--cert-name', name, '--reason', 'superseded')

        assert.equal(revoked.code, 0, revoked.stderr)
        assert.deepEqual([await isRevoked(earlier), await isRevoked(later)], [false, true])
        const entry = await machine.service.authority.find(later)
        assert.equal(entry?.revocationReason, 'superseded')
      })
    }
  })

  describe('uacme', { skip: skipWithout('uacme', 'unshare', 'mount') }, () => {
    for (const type of ['http-01', 'dns-01', 'tls-alpn-01'] as const) {
      it(`obtains, renews and revokes by ${type}`, async (t) => {
        if (!(await canMount())) return t.skip('needs namespaces for this user')
        const needed = type === 'tls-alpn-01' ? requireTool(t, 'ualpn') : 'nothing'
        if (needed === undefined) return
        const name = `${type}.uacme.test`
        const data = path.join(folder, `uacme-${type}`)
        await using answerer = await startAnswerer(type, machine.place(name), folder)
        const hook = writeHook(
          folder,
          `uacme-hook-${type}`,
          // method, type, name, token, key authorization or its digest.
          `[ "$2" = ${type} ] || exit 1`,
          `[ "$1" = begin ] || exit 0`,
          {
            'http-01': `printf %s "$5" > "${answerer.folder}/$4"`,
            'dns-01': `printf %s "$5" > "${machine.records}/_acme-challenge.$3"`,
            'tls-alpn-01': `[ "$(echo "auth $3 $5" | ualpn -s "${answerer.folder}/sock")" = OK ]`,
          }[type],
        )
        const uacme = async (...args: readonly string[]): Promise<CommandResult> =>
          runCommand('unshare', [
            // It trusts what the system trusts, and has no option for it.
            '-r',
            '-m',
            'sh',
            '-c',
            `mount --bind "$1" ${SYSTEM_ROOTS} && shift && exec uacme "$@"`,
            'sh',
            machine.roots,
            '-v',
            '-y',
            '-c',
            data,
            '-a',
            machine.directory,
            '-h',
            hook,
            ...args,
          ])

        const made = await uacme('new')
        assert.equal(made.code, 0, made.stderr)
        const file = path.join(data, name, 'cert.pem')
        const first = await uacme('issue', name)
        assert.equal(first.code, 0, first.stderr)
        const earlier = await checkChain(file, name)
        const renewed = await uacme('-f', 'issue', name)
        assert.equal(renewed.code, 0, renewed.stderr)
        const later = await checkChain(file, name)
        assert.notEqual(later, earlier)
        const revoked = await uacme('revoke', file)

        assert.equal(revoked.code, 0, revoked.stderr)
        assert.deepEqual([await isRevoked(earlier), await isRevoked(later)], [false, true])
      })
    }
  })

  it('caddy obtains by itself', { skip: skipWithout('caddy') }, async () => {
    const name = 'caddy.test'
    const home = path.join(folder, 'caddy')
    mkdirSync(home)
    const file = path.join(home, 'Caddyfile')
    writeFileSync(
      file,
      `{
        acme_ca ${machine.directory}
        acme_ca_root ${machine.roots}
        default_bind ${machine.place(name)}
        http_port ${HTTP_PORT}
        https_port ${TLS_PORT}
        admin off
      }
      ${name} {
        tls {
          issuer acme
        }
        respond "hello"
      }`,
    )
    await using caddy = startCommand('caddy', ['run', '--config', file], {
      env: { HOME: home, XDG_DATA_HOME: home, XDG_CONFIG_HOME: home },
    })
    await caddy.waitForOutput('certificate obtained successfully')
    const [entry] = await machine.service.authority.list({ search: name })
    assert.deepEqual([entry?.names, entry?.profile], [[name], 'server'])
  })

  it('had nonces refused on the way', { skip: skipWithout('lego') }, () => {
    assert.ok(machine.refused > 5, `${machine.refused}`)
  })
})

/** What answers the challenges of a client that does not do so itself. */
async function startAnswerer(
  type: string,
  address: string,
  folder: string,
): Promise<AsyncDisposable & { readonly folder: string }> {
  const own = mkdtempSync(path.join(folder, 'answerer-'))
  if (type === 'tls-alpn-01') {
    const bind = `${address}@${TLS_PORT}`
    const ualpn = startCommand('ualpn', [
      '-v',
      '-v',
      '-b',
      bind,
      '-c',
      '127.0.0.1@1',
      '-s',
      path.join(own, 'sock'),
    ])
    await ualpn.waitForOutput('worker starting')
    return { folder: own, [Symbol.asyncDispose]: async () => ualpn[Symbol.asyncDispose]() }
  }
  const server = createServer((incoming, outgoing) => {
    const file = path.join(own, path.basename(incoming.url ?? ''))
    if (existsSync(file)) outgoing.end(readFileSync(file))
    else outgoing.writeHead(404).end()
  })
  if (type === 'http-01') {
    server.listen(HTTP_PORT, address)
    await once(server, 'listening')
  }
  return {
    folder: own,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}
