import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server as HttpServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { type ReloadOutcome, serve, type ServeOptions, type Server } from '@countersign/server'
import { scrubProcess, temporaryFolder, testAuthority } from '@countersign/testkit'
import { type Answer, ask } from './support.ts'

scrubProcess()

const folder = temporaryFolder(after)
const authority = testAuthority()
const foreign = testAuthority()
const identity = authority.issue({ names: ['localhost', '127.0.0.1'] })
const ca = authority.rootPem
const alice = authority.issue({ names: ['alice'], client: true })
const bob = authority.issue({ names: ['bob'], client: true })
const DAY = 86_400_000

/** Serves bytes, and remembers what it was asked. */
class Publisher implements AsyncDisposable {
  body: Uint8Array | string
  status = 200
  readonly asked: IncomingMessage[] = []
  readonly #server: HttpServer

  private constructor(body: Uint8Array | string, server: HttpServer) {
    this.body = body
    this.#server = server
  }

  static async start(body: Uint8Array | string, secure = false): Promise<Publisher> {
    const server = secure
      ? createSecureServer({ cert: identity.chainPem, key: identity.keyPem })
      : createServer()
    const publisher = new Publisher(body, server)
    server.on('request', (request, response) => {
      publisher.asked.push(request)
      const { body: content, status } = publisher
      const etag = `"${createHash('sha256').update(content).digest('hex')}"`
      if (status !== 200) response.writeHead(status, { location: '/other' }).end()
      else if (request.headers['if-none-match'] === etag) response.writeHead(304).end()
      else response.writeHead(200, { etag }).end(content)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return publisher
  }

  get host(): string {
    const address: AddressInfo | string | null = this.#server.address()
    assert.ok(address !== null && typeof address === 'object')
    return `127.0.0.1:${address.port}`
  }

  get url(): string {
    return `http://${this.host}/issuer.crl`
  }

  /** The authority is away from now on. */
  async close(): Promise<void> {
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

async function start(options: ServeOptions, reports: ReloadOutcome[] = []): Promise<Server> {
  return serve(
    (_request, { peer }) => new Response(peer.certificate?.subject.get('commonName') ?? 'nobody'),
    {
      cert: identity.chainPem,
      key: identity.keyPem,
      ca,
      verifyUser: true,
      revocation: { depth: 'leaf' },
      onReload: (outcome) => reports.push(outcome),
      ...options,
    },
  )
}

async function askAs(
  server: Server,
  client: { chainPem: string; keyPem: string },
): Promise<Answer> {
  return ask(server.url, { tls: { ca, cert: client.chainPem, key: client.keyPem } })
}

async function codeFor(server: Server, client: typeof alice): Promise<string> {
  const answer = await askAs(server, client)
  assert.equal(answer.status, 403, answer.body)
  return JSON.parse(answer.body).code
}

function codesOf(reports: readonly ReloadOutcome[]): unknown[] {
  return reports.map((one) =>
    one.ok ? 'ok' : one.error instanceof Error && 'code' in one.error ? one.error.code : one.error,
  )
}

describe('a revocation list of a URL', () => {
  it('is fetched at the start and again, and revokes without a reload', async () => {
    await using publisher = await Publisher.start(authority.crl().der)
    const reports: ReloadOutcome[] = []
    await using server = await start({ crl: publisher.url }, reports)
    assert.equal((await askAs(server, alice)).body, 'alice')
    assert.equal((await askAs(server, bob)).body, 'bob')
    await server.refresh()
    assert.equal(publisher.asked.at(-1)?.headers['if-none-match'] !== undefined, true)
    assert.deepEqual(codesOf(reports), [])
    publisher.body = authority.crl({ revoked: [bob.certificate] }).pem
    await server.refresh()
    assert.equal(await codeFor(server, bob), 'revoked')
    assert.equal((await askAs(server, alice)).body, 'alice')
    assert.deepEqual(codesOf(reports), ['ok'])
    const [report] = reports
    assert.ok(report?.ok === true)
    assert.deepEqual(report.reloaded.changed, ['trust'])
    assert.deepEqual(report.reloaded.sites[0]?.revoked, { before: 0, after: 1 })
  })

  it('is asked for by itself, as often as told', async () => {
    await using publisher = await Publisher.start(authority.crl().der)
    const swapped = Promise.withResolvers<ReloadOutcome>()
    await using server = await start({
      crl: publisher.url,
      crlFetch: { everyMs: 1000 },
      onReload: swapped.resolve,
    })
    publisher.body = authority.crl({ revoked: [alice.certificate] }).der
    assert.equal((await swapped.promise).ok, true)
    assert.equal(await codeFor(server, alice), 'revoked')
  })

  it('stands beside lists of files, and a reload keeps it', async () => {
    await using publisher = await Publisher.start(authority.crl({ revoked: [bob.certificate] }).der)
    await using server = await start({
      crl: [authority.crl({ ofRoot: true }).pem, publisher.url],
      revocation: { depth: 'chain' },
    })
    assert.equal((await askAs(server, alice)).body, 'alice')
    assert.equal(await codeFor(server, bob), 'revoked')
    assert.deepEqual((await server.reload()).changed, [])
    publisher.body = authority.crl({ revoked: [alice.certificate] }).der
    await server.refresh()
    assert.equal(await codeFor(server, alice), 'revoked')
    assert.equal((await askAs(server, bob)).body, 'bob')
    await server.reload({ crl: authority.crlPem() })
    assert.equal((await askAs(server, alice)).body, 'alice')
  })

  it('counts only when an authority of the server signed it', async () => {
    const other = foreign.crl()
    await using publisher = await Publisher.start(other.der)
    await assert.rejects(start({ crl: publisher.url }), {
      code: 'crl-refused',
      message: /gives a list of CN=Test Issuer.*, which is no authority that this server holds/,
    })
    publisher.body = authority.crl().der
    const reports: ReloadOutcome[] = []
    await using server = await start({ crl: publisher.url }, reports)
    const forged = Buffer.from(authority.crl({ revoked: [alice.certificate] }).der)
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
    for (const body of [other.der, forged, 'no list', '', authority.crlPem(), authority.rootPem]) {
      publisher.body = body
      await server.refresh()
      assert.equal((await askAs(server, alice)).body, 'alice')
    }
    assert.deepEqual(new Set(codesOf(reports)), new Set(['crl-refused']))
    assert.equal(reports.length, 6)
  })

  it('never goes back to an older one', async () => {
    const older = authority.crl()
    await using publisher = await Publisher.start(authority.crl({ revoked: [bob.certificate] }).der)
    const reports: ReloadOutcome[] = []
    await using server = await start({ crl: publisher.url }, reports)
    publisher.body = older.der
    await server.refresh()
    await server.refresh()
    assert.equal(await codeFor(server, bob), 'revoked')
    // Told once, not at every attempt.
    assert.deepEqual(codesOf(reports), ['crl-refused'])
    const [report] = reports
    assert.match(report?.ok === false ? String(report.error) : '', /an older list: number/)
  })

  it('does not give way to that of another authority, nor come back older behind it', async () => {
    const other = testAuthority()
    const past = {
      thisUpdate: new Date(Date.now() - 2 * DAY),
      nextUpdate: new Date(Date.now() - DAY),
    }
    const older = authority.crl()
    const ranOut = authority.crl({ revoked: [bob.certificate], ...past })
    const newer = authority.crl({ revoked: [bob.certificate] })
    await using publisher = await Publisher.start(ranOut.der)
    const reports: ReloadOutcome[] = []
    await using server = await start(
      {
        ca: [ca, other.rootPem, other.issuerPem],
        crl: publisher.url,
        revocation: { depth: 'leaf', stale: 3 * DAY },
      },
      reports,
    )
    const messageAfter = async (body: Uint8Array): Promise<string> => {
      publisher.body = body
      await server.refresh()
      const last = reports.at(-1)
      return last?.ok === false ? String(last.error) : 'ok'
    }
    assert.equal(await codeFor(server, bob), 'revoked')
    // One that has run out gives way. What comes behind must not be older than what was there before.
    await messageAfter(other.crl(past).der)
    assert.equal(await codeFor(server, alice), 'crl-missing')
    assert.match(await messageAfter(older.der), /an older list: number/)
    assert.equal(await codeFor(server, bob), 'crl-missing')
    await messageAfter(newer.der)
    assert.equal(await codeFor(server, bob), 'revoked')
    assert.match(await messageAfter(other.crl().der), /, where that of CN=.* still counts/)
    assert.equal(await codeFor(server, bob), 'revoked')
    assert.equal((await askAs(server, alice)).body, 'alice')
  })

  it('goes on with the last good one while the authority is away, until it runs out', async () => {
    let now = new Date()
    await using publisher = await Publisher.start(authority.crl().der)
    const reports: ReloadOutcome[] = []
    await using server = await start({ crl: publisher.url, clock: () => now }, reports)
    publisher.status = 503
    await server.refresh()
    assert.equal((await askAs(server, alice)).body, 'alice')
    await publisher.close()
    await server.refresh()
    assert.equal((await askAs(server, alice)).body, 'alice')
    now = new Date(now.getTime() + DAY + 1000)
    assert.equal(await codeFor(server, alice), 'crl-stale')
    await server.refresh()
    assert.deepEqual(codesOf(reports), ['crl-unavailable', 'crl-unavailable', 'crl-unavailable'])
  })

  it('takes a list that is out of date for what it says, and tells', async () => {
    const old = {
      thisUpdate: new Date(Date.now() - 2 * DAY),
      nextUpdate: new Date(Date.now() - DAY),
    }
    await using publisher = await Publisher.start(
      authority.crl({ ...old, revoked: [bob.certificate] }).der,
    )
    const reports: ReloadOutcome[] = []
    await using closed = await start({ crl: publisher.url }, reports)
    assert.equal(await codeFor(closed, alice), 'crl-stale')
    assert.equal(await codeFor(closed, bob), 'revoked')
    assert.deepEqual(codesOf(reports), ['crl-outdated'])
    await using grace = await start({
      crl: publisher.url,
      revocation: { depth: 'leaf', stale: 3 * DAY },
    })
    assert.equal((await askAs(grace, alice)).body, 'alice')
  })

  it('has limits of size and time, and follows no redirect', async () => {
    await using publisher = await Publisher.start(authority.crl().der)
    const { url: crl } = publisher
    await assert.rejects(start({ crl, crlFetch: { maxBytes: 100 } }), {
      code: 'crl-unavailable',
      message: /is larger than 100 bytes/,
    })
    publisher.status = 302
    await assert.rejects(start({ crl }), { code: 'crl-unavailable', message: /answered 302/ })
    assert.ok(!publisher.asked.some(({ url }) => url === '/other'))
    const silent = createServer(() => {})
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const address = silent.address()
    assert.ok(address !== null && typeof address === 'object')
    await assert.rejects(
      start({ crl: `http://127.0.0.1:${address.port}/`, crlFetch: { timeoutMs: 100 } }),
      { code: 'crl-unavailable', message: /no answer within 100 ms/ },
    )
    silent.closeAllConnections()
    silent.close()
  })

  it('lets nobody in until there is one, where a start without is wanted', async () => {
    await using publisher = await Publisher.start(authority.crl().der)
    publisher.status = 500
    const { url: crl } = publisher
    await assert.rejects(start({ crl }), { code: 'crl-unavailable' })
    const reports: ReloadOutcome[] = []
    await using server = await start({ crl, crlFetch: { atStart: 'refuse-clients' } }, reports)
    assert.equal(await codeFor(server, alice), 'crl-missing')
    publisher.status = 200
    await server.refresh()
    assert.equal((await askAs(server, alice)).body, 'alice')
    assert.deepEqual(codesOf(reports), ['crl-unavailable', 'ok'])
  })

  it('is kept on disk, so that a start needs no authority', async () => {
    const kept = path.join(folder, 'lists')
    const crlFetch = { folder: kept }
    await using publisher = await Publisher.start(authority.crl({ revoked: [bob.certificate] }).der)
    const { url: crl } = publisher
    await using first = await start({ crl, crlFetch })
    assert.equal((await askAs(first, alice)).body, 'alice')
    // Written behind what it is used for.
    await first.close()
    const [name = '', ...others] = readdirSync(kept)
    assert.equal(others.length, 0)
    const file = path.join(kept, name)
    assert.deepEqual(readFileSync(file), Buffer.from(publisher.body))
    if (process.platform !== 'win32') assert.equal(statSync(file).mode & 0o777, 0o600)
    await publisher.close()
    const reports: ReloadOutcome[] = []
    await using second = await start({ crl, crlFetch }, reports)
    assert.equal((await askAs(second, alice)).body, 'alice')
    assert.equal(await codeFor(second, bob), 'revoked')
    assert.deepEqual(codesOf(reports), ['crl-unavailable'])
    // What lies there is checked as what is fetched.
    const { certPem: cert, keyPem: key } = foreign.issue({ names: ['localhost'] })
    await assert.rejects(start({ crl, crlFetch, ca: foreign.rootPem, cert, key }), {
      code: 'crl-unavailable',
    })
    await assert.rejects(start({ crl }), { code: 'crl-unavailable' })
  })

  it('comes over https from a host that is verified', async () => {
    await using publisher = await Publisher.start(authority.crl().der, true)
    const crl = `https://${publisher.host}/issuer.crl`
    await using server = await start({ crl, crlFetch: { ca } })
    assert.equal((await askAs(server, alice)).body, 'alice')
    await assert.rejects(start({ crl, crlFetch: { ca: foreign.rootPem } }), {
      code: 'crl-unavailable',
    })
  })

  it('cuts the connection where the server is strict', async () => {
    await using publisher = await Publisher.start(authority.crl({ revoked: [bob.certificate] }).der)
    await using server = await start({ crl: publisher.url, strict: true })
    assert.equal((await askAs(server, alice)).body, 'alice')
    await assert.rejects(askAs(server, bob))
  })

  it('is refused where it is no URL, and options where they are none', async () => {
    const crl = 'http://user:secret@ca.corp.internal/'
    await assert.rejects(start({ crl }), (error: Error) => {
      assert.ok(!error.message.includes('secret'))
      return true
    })
    for (const crlFetch of [
      { everyMs: 10 },
      { timeoutMs: 0 },
      { maxBytes: 1e12 },
      { fromCertificates: [] },
      { fromCertificates: ['http://ca.corp/'] },
      { folder: '' },
    ]) {
      await assert.rejects(start({ crlFetch }), { code: 'option-invalid' })
    }
  })
})

describe('distribution points of certificates', () => {
  it('are followed to the hosts that are allowed, and to no other', async () => {
    await using publisher = await Publisher.start('')
    const pointing = testAuthority({ crlUrl: publisher.url })
    const own = pointing.issue({ names: ['localhost', '127.0.0.1'] })
    const carol = pointing.issue({ names: ['carol'], client: true })
    const dave = pointing.issue({ names: ['dave'], client: true })
    publisher.body = pointing.crl({ revoked: [dave.certificate] }).der
    const settings = { cert: own.chainPem, key: own.keyPem, ca: pointing.rootPem }
    const askWith = async (server: Server, client: typeof carol): Promise<Answer> =>
      ask(server.url, {
        tls: { ca: pointing.rootPem, cert: client.chainPem, key: client.keyPem },
      })
    await using server = await start({
      ...settings,
      crlFetch: { fromCertificates: [publisher.host] },
    })
    assert.equal((await askWith(server, carol)).body, 'carol')
    assert.equal((await askWith(server, dave)).status, 403)
    const asked = publisher.asked.length
    await using closed = await start({
      ...settings,
      crlFetch: { fromCertificates: ['ca.corp.internal'] },
    })
    assert.equal(JSON.parse((await askWith(closed, carol)).body).code, 'crl-missing')
    assert.equal(publisher.asked.length, asked)
  })

  it('are learned from a client that was verified, and from nobody else', async () => {
    await using publisher = await Publisher.start('')
    const pointing = testAuthority({ crlUrl: publisher.url })
    const stranger = testAuthority({ crlUrl: publisher.url })
    const carol = pointing.issue({ names: ['carol'], client: true })
    const eve = stranger.issue({ names: ['eve'], client: true })
    publisher.body = pointing.crl().der
    const there = Promise.withResolvers<ReloadOutcome>()
    await using server = await start({
      ca: pointing.rootPem + pointing.issuerPem,
      crlFetch: { fromCertificates: [publisher.host] },
      onReload: there.resolve,
    })
    assert.equal((await askAs(server, eve)).status, 403)
    assert.equal(publisher.asked.length, 0)
    assert.equal(await codeFor(server, carol), 'crl-missing')
    assert.equal((await there.promise).ok, true)
    assert.equal((await askAs(server, carol)).body, 'carol')
  })
})

describe('a long list', () => {
  it('is read on a thread, and finds everybody', async () => {
    const serials = Array.from({ length: 20_000 }, (_, at) => (0x40_00_00 + at).toString(16))
    const list = authority.crl({ revoked: [...serials, bob.certificate] })
    assert.ok(list.der.length > 256 * 1024)
    await using publisher = await Publisher.start(list.der)
    for (const crl of [publisher.url, list.pem, list.der]) {
      await using server = await start({ crl })
      assert.equal((await askAs(server, alice)).body, 'alice')
      assert.equal(await codeFor(server, bob), 'revoked')
    }
    await assert.rejects(start({ crl: list.der.subarray(0, 300_000) }), { code: 'crl-malformed' })
  })
})
