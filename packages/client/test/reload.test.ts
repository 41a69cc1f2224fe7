import assert from 'node:assert/strict'
import { rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { OptionError, Session } from '@countersign/client'
import { scrubProcess, temporaryFolder, testAuthority } from '@countersign/testkit'
import { createDefaultContext, watchContext, watchTrust } from '@countersign/tls'
import { failureOf } from './failures.ts'
import { sendJson, startServer, type TestServer, warningsOf } from './servers.ts'

scrubProcess()
const ours = testAuthority()
const foreign = testAuthority()
const leaf = ours.issue({ names: ['localhost', '127.0.0.1'] })
const folder = temporaryFolder(after)
let server: TestServer
let files = 0

before(async () => {
  server = await startServer((_request, response) => sendJson(response, 1), {
    key: leaf.keyPem,
    cert: leaf.chainPem,
  })
})
after(async () => {
  await server[Symbol.asyncDispose]()
})

/** A bundle that a test may replace. */
async function bundle(content: string): Promise<string> {
  const file = path.join(folder, `bundle-${++files}.pem`)
  await writeFile(file, content)
  return file
}

async function replace(file: string, content: string): Promise<void> {
  await writeFile(`${file}.new`, content)
  await rename(`${file}.new`, file)
}

async function codeOf(session: Session, url = server.url): Promise<string> {
  try {
    await (await session.get(url)).text()
    return 'trusted'
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}

describe('a bundle that changes on disk', () => {
  const ways: readonly (readonly [string, (file: string) => Session])[] = [
    ['ca of the session', (file) => new Session({ ca: file })],
    ['verify of the session', (file) => new Session({ verify: file })],
    ['extraCa of the session', (file) => new Session({ extraCa: file })],
    [
      'ca of a profile',
      (file) => new Session({ origins: { 'https://localhost:*': { ca: file } } }),
    ],
  ]
  for (const [name, make] of ways) {
    it(`${name}: holds with the next call, also where a connection waits`, async () => {
      const file = await bundle(ours.rootPem)
      await using session = make(file)
      assert.equal(await codeOf(session), 'trusted')
      await replace(file, foreign.rootPem)
      assert.equal(await codeOf(session), 'untrusted-root')
      await replace(file, ours.rootPem + foreign.rootPem)
      assert.equal(await codeOf(session), 'trusted')
      await writeFile(file, foreign.rootPem)
      assert.equal(await codeOf(session), 'untrusted-root', 'written in place')
    })
  }

  it('named by a variable', async () => {
    const file = await bundle(ours.rootPem)
    process.env['SSL_CERT_FILE'] = file
    try {
      await using session = new Session()
      assert.equal(await codeOf(session), 'trusted')
      await replace(file, foreign.rootPem)
      assert.equal(await codeOf(session), 'untrusted-root')
    } finally {
      delete process.env['SSL_CERT_FILE']
    }
  })

  it('is not mixed up with that of another environment by a reload', async () => {
    const first = await bundle(ours.rootPem)
    const second = await bundle(foreign.rootPem)
    try {
      process.env['SSL_CERT_FILE'] = first
      await using session = new Session()
      assert.equal(await codeOf(session), 'trusted')
      process.env['SSL_CERT_FILE'] = second
      await session.reload()
      assert.equal(await codeOf(session), 'untrusted-root')
      process.env['SSL_CERT_FILE'] = first
      assert.equal(await codeOf(session), 'trusted')
    } finally {
      delete process.env['SSL_CERT_FILE']
    }
  })

  it('that says the same as before costs nobody a connection', async () => {
    await using counted = await startServer((_request, response) => sendJson(response, 1), {
      key: leaf.keyPem,
      cert: leaf.chainPem,
    })
    const file = await bundle(ours.rootPem)
    await using session = new Session({ ca: file })
    assert.equal(await codeOf(session, counted.url), 'trusted')
    await replace(file, ours.rootPem)
    assert.equal(await codeOf(session, counted.url), 'trusted')
    await session.reload()
    assert.equal(await codeOf(session, counted.url), 'trusted')
    assert.equal(counted.connections, 1)
  })

  it('closes the connections that were made under the old one, and resumes none of them', async () => {
    await using counted = await startServer((_request, response) => sendJson(response, 1), {
      key: leaf.keyPem,
      cert: leaf.chainPem,
    })
    const file = await bundle(ours.rootPem)
    await using session = new Session({ ca: file })
    assert.equal((await session.get(counted.url)).peer.resumed, false)
    const [socket] = counted.open
    assert.ok(socket !== undefined)
    const closed = new Promise((resolve) => {
      socket.once('close', resolve)
    })
    await replace(file, ours.rootPem + foreign.rootPem)
    const response = await session.get(counted.url)
    await closed
    assert.equal(response.peer.resumed, false)
    assert.equal(counted.connections, 2)
  })

  for (const [name, content] of [
    ['garbage', 'hello'],
    ['nothing', ''],
    ['half a certificate', ours.rootPem.slice(0, 200)],
  ] as const) {
    it(`into ${name} keeps the last good one and warns, once`, async () => {
      const file = await bundle(ours.rootPem)
      await using session = new Session({ ca: file })
      assert.equal(await codeOf(session), 'trusted')
      const warnings = await warningsOf('CountersignTrust', async () => {
        await replace(file, content)
        for (let count = 0; count < 3; count++) assert.equal(await codeOf(session), 'trusted')
      })
      assert.equal(warnings.length, 1)
      assert.ok(warnings[0]?.includes(file))
      assert.match(warnings[0] ?? '', /still used/)
      const error = await failureOf(session.reload().then(() => session.get(server.url)))
      assert.ok(error instanceof OptionError, 'who asks is told')
      assert.equal(await codeOf(session), 'trusted', 'and the last good one still holds')
      await replace(file, foreign.rootPem)
      assert.equal(await codeOf(session), 'untrusted-root')
    })
  }

  it('into nothing at all keeps the last good one as well', async () => {
    const file = await bundle(ours.rootPem)
    await using session = new Session({ ca: file })
    const warnings = await warningsOf('CountersignTrust', async () => {
      await rm(file)
      assert.equal(await codeOf(session), 'trusted')
    })
    assert.equal(warnings.length, 1)
  })
})

describe('trust that somebody else watches', () => {
  it('is the current store, on sessions, calls and profiles', async () => {
    const file = await bundle(ours.rootPem)
    await using watched = watchTrust({ ca: file, intervalMs: 0 })
    await using whole = new Session({ verify: watched })
    await using byOrigin = new Session({ origins: { 'https://localhost:*': { verify: watched } } })
    await using none = new Session()
    const all = async (): Promise<string[]> => [
      await codeOf(whole),
      await codeOf(byOrigin),
      await none.get(server.url, { verify: watched }).then(
        () => 'trusted',
        () => 'refused',
      ),
    ]
    assert.deepEqual(await all(), ['trusted', 'trusted', 'trusted'])
    await replace(file, foreign.rootPem)
    assert.deepEqual(await all(), ['trusted', 'trusted', 'trusted'], 'until it is read')
    watched.reload()
    assert.deepEqual(await all(), ['untrusted-root', 'untrusted-root', 'refused'])
    await replace(file, ours.rootPem)
    watched.reload()
    assert.deepEqual(await all(), ['trusted', 'trusted', 'trusted'])
    assert.equal(whole.trust.describe().count, 1)
  })

  it('is the current context, whose certificate stays at home', async () => {
    const context = createDefaultContext({
      purpose: 'client-auth',
      cert: leaf.chainPem,
      key: leaf.keyPem,
      ca: ours.rootPem,
      clientCertificates: 'ask',
    })
    await using asking = await startServer(
      (request, response) => sendJson(response, request.client ?? null),
      context.nodeServerOptions(),
    )
    const { certificate, key } = ours
      .issue({ names: ['one'], client: true })
      .write(folder, 'watched')
    const own = { ca: ours.rootPem, cert: certificate, key }
    await using watched = watchContext({ ...own, intervalMs: 0 })
    await using session = new Session({ baseUrl: asking.url, verify: watched })
    const away = `https://127.0.0.1:${new URL(asking.url).port}/`
    const names = async (): Promise<unknown[]> => [
      await (await session.get('/')).json(),
      await (await session.get(away)).json(),
    ]
    assert.deepEqual(await names(), ['one', null])
    ours.issue({ names: ['two'], client: true }).write(folder, 'watched')
    watched.reload()
    assert.deepEqual(await names(), ['two', null])
  })
})

describe('our own certificate', () => {
  const context = createDefaultContext({
    purpose: 'client-auth',
    cert: leaf.chainPem,
    key: leaf.keyPem,
    ca: ours.rootPem,
  })

  it('that is renewed on disk is shown with the next call; half of it is not', async () => {
    await using asking = await startServer(
      (request, response) => sendJson(response, request.client ?? null),
      context.nodeServerOptions(),
    )
    const { certificate, key } = ours
      .issue({ names: ['first'], client: true })
      .write(folder, 'renewed')
    await using session = new Session({ ca: ours.rootPem, cert: certificate, key })
    const name = async (): Promise<unknown> => (await session.get(asking.url)).json()
    assert.equal(await name(), 'first')
    const second = ours.issue({ names: ['second'], client: true })
    const warnings = await warningsOf('CountersignTrust', async () => {
      await replace(certificate, second.chainPem)
      assert.equal(await name(), 'first', 'a certificate without its key')
    })
    assert.equal(warnings.length, 1)
    await replace(key, second.keyPem)
    assert.equal(await name(), 'second')
  })
})

describe('under load', () => {
  it('a change of trust loses no request, and none goes out under the old trust', async () => {
    const file = await bundle(ours.rootPem)
    const epochs = new Set<unknown>()
    await using busy = await startServer(
      (request, response) => {
        epochs.add(request.headers['x-epoch'])
        setImmediate(() => sendJson(response, 1))
      },
      { key: leaf.keyPem, cert: leaf.chainPem },
    )
    await using session = new Session({ ca: file, maxConnections: 4 })
    let epoch = 0
    let done = 0
    const stop = new AbortController()
    let wanted = { count: 0, reached: (): void => {} }
    const answers = (count: number): Promise<void> =>
      new Promise((reached) => {
        wanted = { count: done + count, reached }
      })
    const worker = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        const response = await session.post(busy.url, {
          json: done,
          headers: { 'x-epoch': epoch },
        })
        await response.json()
        done++
        if (done === wanted.count) wanted.reached()
      }
    }
    const workers = Array.from({ length: 16 }, worker)
    for (let round = 1; round <= 10; round++) {
      await answers(40)
      await replace(file, round % 2 === 0 ? ours.rootPem : ours.rootPem + foreign.rootPem)
      epoch = round
      if (round % 3 === 0) await session.reload()
    }
    stop.abort()
    await Promise.all(workers)
    assert.equal(busy.seen.length, done)
    assert.equal(epochs.size > 5, true)
    assert.ok(busy.connections > 4, 'connections were replaced')
  })
})
