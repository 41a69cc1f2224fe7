import assert from 'node:assert/strict'
import { once } from 'node:events'
import { renameSync, writeFileSync } from 'node:fs'
import { Agent } from 'node:https'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import {
  type HostOptions,
  type ReloadOutcome,
  serve,
  type ServeOptions,
  type Server,
} from '@countersign/server'
import {
  outsideTool,
  runCommand,
  scrubProcess,
  skipWithout,
  temporaryFolder,
  testAuthority,
} from '@countersign/testkit'
import { ask, openTls } from './support.ts'

scrubProcess()

const folder = temporaryFolder(after)
const authority = testAuthority()
const ca = authority.rootPem
const NAMES = { names: ['localhost', '127.0.0.1'] }
const first = authority.issue(NAMES)
const second = authority.issue({ names: ['localhost', '127.0.0.1', 'more.corp'] })
const alice = authority.issue({ names: ['alice'], client: true })
const bob = authority.issue({ names: ['bob'], client: true })

let number = 0

/** Files of their own for each test. */
function files(identity = first): { cert: string; key: string; ca: string; crl: string } {
  const base = path.join(folder, String(++number))
  const paths = {
    cert: `${base}.crt`,
    key: `${base}.key`,
    ca: `${base}.ca`,
    crl: `${base}.crl`,
  }
  put(paths.cert, identity.chainPem)
  put(paths.key, identity.keyPem)
  put(paths.ca, ca)
  put(paths.crl, authority.crlPem())
  return paths
}

/** A file that openssl makes. */
function at(end: string): string {
  return path.join(folder, `recipe.${end}`)
}

/** As a careful writer does it. */
function put(file: string, text: string): void {
  writeFileSync(`${file}.new`, text)
  renameSync(`${file}.new`, file)
}

async function start(options: ServeOptions): Promise<Server> {
  return serve(
    (_request, { peer }) => new Response(peer.certificate?.subject.get('commonName') ?? 'nobody'),
    options,
  )
}

async function served(server: Server): Promise<string> {
  const socket = await openTls(server.port, { ca })
  const { serialNumber } = socket.getPeerCertificate()
  socket.destroy()
  return serialNumber
}

function as(client: { chainPem: string; keyPem: string }): {
  ca: string
  cert: string
  key: string
} {
  return { ca, cert: client.chainPem, key: client.keyPem }
}

describe('reload from files', () => {
  it('says what has changed', async () => {
    const { cert, key, ...trust } = files()
    await using server = await start({ cert, key, ...trust, verifyUser: true })
    assert.deepEqual((await server.reload()).sites, [])
    put(cert, second.chainPem)
    put(key, second.keyPem)
    put(trust.ca, ca + authority.issuerPem)
    put(trust.crl, authority.crlPem({ revoked: [bob.certificate] }))
    const { changed, sites, certificate } = await server.reload()
    assert.deepEqual(changed, ['certificate', 'trust'])
    assert.equal(certificate?.serialNumber, second.certificate.serialNumber)
    const [site, ...others] = sites
    assert.deepEqual(others, [])
    assert.equal(site?.kind, 'changed')
    assert.equal(site.host, undefined)
    assert.equal(site.certificate.before?.serialNumber, first.certificate.serialNumber)
    assert.deepEqual(site.certificate.namesAdded, ['more.corp'])
    assert.deepEqual(site.certificate.namesRemoved, [])
    assert.deepEqual(
      site.authorities.added.map(({ fingerprint }) => fingerprint),
      [authority.issuer.fingerprint],
    )
    assert.deepEqual(site.authorities.removed, [])
    assert.deepEqual(site.revoked, { before: 0, after: 1 })
  })

  const wrong = authority.issue({ names: ['elsewhere.corp'] })
  const expired = authority.issue({
    ...NAMES,
    notBefore: new Date('2020-01-01'),
    notAfter: new Date('2020-02-01'),
  })
  for (const [name, change, code] of [
    ['a key of another certificate', { key: second.keyPem }, 'key-mismatch'],
    [
      'a certificate that has ended',
      { cert: expired.chainPem, key: expired.keyPem },
      'cert-expired',
    ],
    [
      'a certificate without its issuer',
      { cert: second.certPem, key: second.keyPem },
      'reload-refused',
    ],
    [
      'a certificate for other names',
      { cert: wrong.chainPem, key: wrong.keyPem },
      'reload-refused',
    ],
    ['half a certificate', { cert: first.chainPem.slice(0, 300) }, 'cert-malformed'],
    ['an empty file of authorities', { ca: '' }, 'ca-empty'],
    ['a broken list', { crl: 'x' }, 'crl-malformed'],
  ] as const) {
    it(`refuses ${name}, and goes on as before`, async () => {
      const paths = files()
      await using server = await start({ ...paths, verifyUser: true })
      for (const [option, text] of Object.entries(change)) {
        for (const [known, file] of Object.entries(paths)) if (known === option) put(file, text)
      }
      await assert.rejects(server.reload(), { code })
      assert.equal(await served(server), first.certificate.serialNumber)
      assert.equal((await ask(server.url, { tls: as(alice) })).body, 'alice')
    })
  }

  it('takes a certificate for other names where it is named', async () => {
    await using server = await start({ cert: first.chainPem, key: first.keyPem })
    await server.reload({ cert: wrong.chainPem, key: wrong.keyPem })
    assert.equal(await served2(server), wrong.certificate.serialNumber)
  })

  it('refuses a defect that the old certificate has not', {
    skip: skipWithout('openssl'),
  }, async () => {
    const openssl = outsideTool('openssl') ?? ''
    writeFileSync(at('root.key'), authority.rootKey.toPem(), { mode: 0o600 })
    writeFileSync(at('root.crt'), ca)
    const made = ['-subj', '/CN=localhost', '-out', at('csr'), '-keyout', at('key')]
    await runCommand(openssl, ['req', '-new', '-nodes', '-newkey', 'rsa:2048', ...made])
    const by = ['-CA', at('root.crt'), '-CAkey', at('root.key'), '-CAcreateserial']
    await runCommand(openssl, ['x509', '-req', '-in', at('csr'), ...by, '-out', at('crt')])
    await using server = await start({ cert: first.chainPem, key: first.keyPem })
    // Version 1, and no alternative name.
    await assert.rejects(server.reload({ cert: at('crt'), key: at('key') }), {
      code: 'reload-refused',
      message: /a defect that the old one has not/,
    })
    assert.equal(await served(server), first.certificate.serialNumber)
  })

  it('does one reload after the other', async () => {
    await using server = await start({ cert: first.chainPem, key: first.keyPem })
    const reloads = await Promise.all(
      [second, first, second].map(async ({ chainPem, keyPem }) =>
        server.reload({ cert: chainPem, key: keyPem }),
      ),
    )
    assert.deepEqual(
      reloads.map(({ certificate }) => certificate?.serialNumber),
      [second, first, second].map(({ certificate }) => certificate.serialNumber),
    )
    assert.equal(await served(server), second.certificate.serialNumber)
  })
})

/** Any language would do. */
function parse(text: string): Record<string, HostOptions> {
  return JSON.parse(text)
}

describe('a file of hosts', () => {
  it('is followed: a host is added, gets another rule, is removed, and the others are left alone', async () => {
    const paths = files(second)
    const hosts = path.join(folder, 'hosts')
    const outcomes: ReloadOutcome[] = []
    put(hosts, '{"localhost":{}}')
    await using server = await start({
      ...paths,
      crl: undefined,
      verifyUser: 'ask',
      hostsFile: { file: hosts, parse },
      watch: { intervalMs: 0, settleMs: 0 },
      onReload: (outcome) => outcomes.push(outcome),
    })
    const statusOf = async (servername: string): Promise<number> =>
      (await ask(server.url, { headers: { host: servername }, tls: { ca, servername } })).status
    assert.deepEqual([await statusOf('localhost'), await statusOf('more.corp')], [200, 200])
    const change = async (text: string): Promise<unknown> => {
      put(hosts, text)
      await server.checkFiles()
      const outcome = outcomes.pop()
      return outcome?.ok === true ? outcome.reloaded.sites.map((s) => [s.host, s.kind]) : outcome
    }
    assert.deepEqual(await change('{"localhost":{},"more.corp":{"verifyUser":true}}'), [
      ['more.corp', 'added'],
    ])
    assert.deepEqual([await statusOf('localhost'), await statusOf('more.corp')], [200, 403])
    assert.deepEqual(
      await change('{"localhost":{"verifyUser":true},"more.corp":{"verifyUser":true}}'),
      [['localhost', 'changed']],
    )
    assert.equal(await statusOf('localhost'), 403)
    assert.deepEqual(await change('{"localhost":{"verifyUser":true}}'), [['more.corp', 'removed']])
    assert.deepEqual([await statusOf('localhost'), await statusOf('more.corp')], [403, 200])
  })

  it('that cannot be used changes nothing, and is refused at the start', async () => {
    const paths = { ...files(second), crl: undefined, verifyUser: true } as const
    const hosts = path.join(folder, 'hosts-broken')
    put(hosts, '{"localhost":{"verifyUser":false}}')
    await using server = await start({ ...paths, hostsFile: { file: hosts, parse } })
    for (const [text, code] of [
      ['{"nowhere.corp":{}}', 'host-not-covered'],
      ['{"localhost":{"verify":true}}', 'option-unknown'],
      ['{"local host":{}}', 'option-invalid'],
      [' '.repeat(5 * 2 ** 20), 'option-invalid'],
    ] as const) {
      put(hosts, text)
      await assert.rejects(server.reload(), { code })
      await assert.rejects(start({ ...paths, hostsFile: { file: hosts, parse } }), { code })
      const to = { headers: { host: 'localhost' }, tls: { ca, servername: 'localhost' } }
      assert.equal((await ask(server.url, to)).status, 200)
    }
    const hostsFile = { file: path.join(folder, 'no-hosts'), parse }
    await assert.rejects(start({ ...paths, hostsFile }), { code: 'option-invalid' })
    await assert.rejects(start({ ...paths, hosts: {}, hostsFile }), { code: 'option-conflict' })
    put(hosts, '{}')
    await assert.rejects(start({ hostsFile: { file: hosts, parse } }), { code: 'option-conflict' })
  })
})

describe('watch', () => {
  it('follows the files, and refuses a revoked client on every connection', async () => {
    const paths = files()
    const outcomes: ReloadOutcome[] = []
    await using server = await start({
      ...paths,
      verifyUser: true,
      watch: { intervalMs: 0, settleMs: 0 },
      onReload: (outcome) => outcomes.push(outcome),
    })
    const agent = new Agent({ ...as(bob), keepAlive: true, maxSockets: 1 })
    assert.equal((await ask(server.url, { agent })).body, 'bob')
    const before = await openTls(server.port, as(bob))
    const [session]: Buffer[] = await once(before, 'session')
    before.destroy()
    put(paths.crl, authority.crlPem({ revoked: [bob.certificate] }))
    put(paths.cert, second.chainPem)
    put(paths.key, second.keyPem)
    await server.checkFiles()
    assert.deepEqual(
      outcomes.map(({ ok }) => ok),
      [true],
    )
    assert.equal(await served(server), second.certificate.serialNumber)
    for (const options of [
      { agent },
      { tls: { ...as(bob), ...(session === undefined ? {} : { session }) } },
      { tls: as(bob) },
    ]) {
      const answer = await ask(server.url, options)
      assert.equal(answer.status, 403)
      assert.equal(JSON.parse(answer.body).code, 'revoked')
    }
    agent.destroy()
    assert.equal((await ask(server.url, { tls: as(alice) })).body, 'alice')
  })

  it('keeps what it has while a file cannot be used, and says so', async () => {
    const paths = files()
    const outcomes: ReloadOutcome[] = []
    await using server = await start({
      cert: paths.cert,
      key: paths.key,
      watch: { intervalMs: 0, settleMs: 0 },
      onReload: (outcome) => outcomes.push(outcome),
    })
    put(paths.cert, second.chainPem)
    await server.checkFiles()
    const [fault, ...others] = outcomes
    assert.equal(fault?.ok, false)
    assert.match(String(fault.error), /key/)
    assert.deepEqual(others, [])
    assert.equal(await served(server), first.certificate.serialNumber)
    put(paths.key, second.keyPem)
    await server.checkFiles()
    assert.equal(outcomes.at(-1)?.ok, true)
    assert.equal(await served(server), second.certificate.serialNumber)
  })

  it('looks by itself', async () => {
    const paths = files()
    const { promise, resolve } = Promise.withResolvers<ReloadOutcome>()
    await using server = await start({
      cert: paths.cert,
      key: paths.key,
      watch: { intervalMs: 10, settleMs: 10 },
      onReload: (outcome) => {
        if (outcome.ok) resolve(outcome)
      },
    })
    put(paths.cert, second.chainPem)
    put(paths.key, second.keyPem)
    await promise
    assert.equal(await served(server), second.certificate.serialNumber)
  })

  it('is refused where there are no files, or a misspelt option', async () => {
    await assert.rejects(start({ watch: true }), { code: 'option-conflict' })
    const { chainPem: cert, keyPem: key } = first
    await assert.rejects(start({ cert, key, watch: JSON.parse('{"interval":5}') }), {
      code: 'option-unknown',
    })
  })
})

/** As {@link served}, of a certificate that is not for localhost. */
async function served2(server: Server): Promise<string> {
  const socket = await openTls(server.port, { ca, servername: 'elsewhere.corp' })
  const { serialNumber } = socket.getPeerCertificate()
  socket.destroy()
  return serialNumber
}
