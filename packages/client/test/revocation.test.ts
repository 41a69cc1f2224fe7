import assert from 'node:assert/strict'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import * as http from 'node:http'
import path from 'node:path'
import { after, describe, it, mock } from 'node:test'
import { get, OptionError, Session, type SessionOptions, TrustError } from '@countersign/client'
import {
  scrubProcess,
  temporaryFolder,
  testAuthority,
  type TestAuthority,
} from '@countersign/testkit'
import { asGiven, failureOf } from './failures.ts'
import { resumedConnection, sendJson, startServer, type TestServer } from './servers.ts'

scrubProcess()
const folder = temporaryFolder(after)

/** An authority, a server with a certificate of it, and the lists that say it is revoked or not. */
async function scene(): Promise<{
  ours: TestAuthority
  server: TestServer
  clean: string
  revoked: string
  [Symbol.asyncDispose](): Promise<void>
}> {
  const ours = testAuthority()
  const leaf = ours.issue({ names: ['localhost'] })
  const server = await startServer((_request, response) => sendJson(response, 'here'), {
    key: leaf.keyPem,
    cert: leaf.chainPem,
  })
  return {
    ours,
    server,
    clean: ours.crlPem(),
    revoked: ours.crlPem({ revoked: [leaf.certificate], reason: 'keyCompromise' }),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
    },
  }
}

describe('lists that are given', () => {
  it('let in what they do not name, and refuse what they do, before a byte is sent', async () => {
    await using all = await scene()
    const { server, ours } = all
    for (const crl of [all.clean, Buffer.from(all.clean), [all.clean]]) {
      assert.ok((await get(server.url, { ca: ours.rootPem, crl })).ok)
    }
    const before = server.seen.length
    const error = await failureOf(get(server.url, { ca: ours.rootPem, crl: all.revoked }))
    assert.ok(error instanceof TrustError)
    assert.equal(error.code, 'revoked')
    assert.match(error.message, /was revoked at .*keyCompromise/)
    assert.doesNotMatch(error.hint ?? '', /revocation: ?'off'|verify: ?false/)
    assert.equal(server.seen.length, before)
    assert.equal(error.explanation.code, 'revoked')
    assert.equal(error.certificate?.subject, 'CN=localhost')
  })

  it('may be files, folders, DER, in a session or a profile', async () => {
    await using all = await scene()
    const { server, ours } = all
    const file = path.join(folder, 'one.crl')
    await writeFile(file, all.revoked)
    const der = ours.crl({ ofRoot: true }).der
    const ways: SessionOptions[] = [
      { crl: file },
      { crl: folder },
      { crl: [der, file] },
      { origins: { 'https://localhost:*': { crl: file } } },
    ]
    for (const options of ways) {
      await using session = new Session({ ca: ours.rootPem, ...options })
      assert.equal((await failureOf(session.get(server.url))).code, 'revoked')
      assert.ok((await session.get(server.url, { revocation: 'off' })).ok, 'said for one call')
    }
  })

  it('cover every level: a missing list is a refusal', async () => {
    await using all = await scene()
    const { server, ours } = all
    const error = await failureOf(get(server.url, { ca: ours.rootPem, crl: ours.crl().pem }))
    assert.equal(error.code, 'crl-missing')
    assert.match(error.message, /Test Root/)
    assert.match(error.hint ?? '', /crl/)
    const onlyLeaf = { crl: ours.crl().pem, revocation: { check: 'leaf' } } as const
    assert.ok((await get(server.url, { ca: ours.rootPem, ...onlyLeaf })).ok)
  })

  it('do not matter to chains of other authorities, unless revocation says every chain', async () => {
    await using all = await scene()
    await using strangers = await scene()
    const ca = [all.ours.rootPem, strangers.ours.rootPem]
    const { url } = all.server
    const { clean } = strangers
    assert.ok((await get(url, { ca, crl: clean })).ok)
    assert.equal(
      (await failureOf(get(url, { ca, crl: clean, revocation: 'chain' }))).code,
      'crl-missing',
    )
    assert.equal((await failureOf(get(url, { ca, revocation: 'leaf' }))).code, 'crl-missing')
    assert.ok((await get(url, { ca, crl: [clean, all.clean], revocation: 'chain' })).ok)
  })

  it('of one level go together with what another says about them', async () => {
    await using all = await scene()
    const { url } = all.server
    const ca = all.ours.rootPem
    await using clean = new Session({ ca, crl: all.clean })
    assert.ok((await clean.get(url, { revocation: 'chain' })).ok)
    assert.equal((await failureOf(clean.get(url, { crl: all.revoked }))).code, 'revoked')
    await using off = new Session({ ca, crl: all.revoked, revocation: 'off' })
    assert.ok((await off.get(url)).ok)
    assert.equal((await failureOf(off.get(url, { revocation: 'leaf' }))).code, 'revoked')
    const named = await failureOf(off.get(url, { crl: all.revoked }))
    assert.equal(named.code, 'revoked', 'who names lists wants them looked at')
  })

  it('that are stale are refused, or accepted where that is said; a revoked one stays revoked', async () => {
    await using all = await scene()
    const { server, ours } = all
    const yesterday = {
      thisUpdate: new Date(Date.now() - 2 * 86_400_000),
      nextUpdate: new Date(Date.now() - 86_400_000),
    }
    const stale = ours.crlPem(yesterday)
    const ca = ours.rootPem
    const error = await failureOf(get(server.url, { ca, crl: stale }))
    assert.equal(error.code, 'crl-stale')
    assert.match(error.hint ?? '', /new list/)
    const accept = { revocation: { stale: 'accept' } } as const
    assert.ok((await get(server.url, { ca, crl: stale, ...accept })).ok)
    const leaf = (await get(server.url, { ca })).peer.certificate
    assert.ok(leaf !== undefined)
    const gone = ours.crlPem({ ...yesterday, revoked: [leaf] })
    assert.equal((await failureOf(get(server.url, { ca, crl: gone, ...accept }))).code, 'revoked')
  })

  it('of somebody else with our name are no lists of ours', async () => {
    await using all = await scene()
    const forged = testAuthority()
    const error = await failureOf(
      get(all.server.url, { ca: all.ours.rootPem, crl: forged.crlPem(), revocation: 'chain' }),
    )
    assert.equal(error.code, 'crl-missing')
  })

  it('that change on disk hold with the next call, also where a connection waits', async () => {
    await using all = await scene()
    const { server, ours } = all
    const file = path.join(folder, 'changing.pem')
    await writeFile(file, all.clean)
    await using session = new Session({ ca: ours.rootPem, crl: file })
    await (await session.get(server.url)).text()
    await writeFile(`${file}.new`, all.revoked)
    await rename(`${file}.new`, file)
    assert.equal((await failureOf(session.get(server.url))).code, 'revoked')
  })

  it('are asked for resumed connections as well', async () => {
    const ours = testAuthority()
    const leaf = ours.issue({ names: ['localhost'] })
    await using session = new Session({ ca: ours.rootPem, crl: ours.crlPem() })
    const secure = { key: leaf.keyPem, cert: leaf.chainPem }
    const { first, second } = await resumedConnection(session, secure)
    assert.deepEqual([first.resumed, second.resumed], [false, true])
  })

  it('are asked again when the next ones are due, of connections that are open too', async () => {
    await using all = await scene()
    const { server, ours } = all
    await using session = new Session({ ca: ours.rootPem, crl: all.clean })
    await (await session.get(server.url)).text()
    mock.timers.enable({ apis: ['Date'], now: Date.now() + 2 * 86_400_000 })
    try {
      assert.equal((await failureOf(session.get(server.url))).code, 'crl-stale')
    } finally {
      mock.timers.reset()
    }
    assert.equal(server.seen.length, 1)
    assert.ok((await session.get(server.url)).ok)
  })

  it('that cannot be read are refused at construction, by name', () => {
    const wrong: readonly (readonly [object, string])[] = [
      [{ crl: '/nowhere.crl' }, 'crl-unreadable'],
      [{ crl: 'a\0b' }, 'crl-unreadable'],
      [{ crl: new Uint8Array([1, 2, 3]) }, 'crl-malformed'],
      [{ crl: '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n' }, 'crl-malformed'],
      [{ crl: [] }, 'option-invalid'],
      [{ crl: 7 }, 'option-invalid'],
      [{ revocation: 'on' }, 'option-invalid'],
      [{ revocation: true }, 'option-invalid'],
      [{ revocation: { check: 'all' } }, 'option-invalid'],
      [{ revocation: { stale: 'maybe' } }, 'option-invalid'],
      [{ revocation: { fetch: 7 } }, 'option-invalid'],
      [{ revocation: { fetch: '/nowhere.pem' } }, 'ca-missing'],
      [{ revocation: { fetched: 'x' } }, 'option-unknown'],
      [{ revocation: 'off', verify: false }, 'option-conflict'],
    ]
    for (const [options, code] of wrong) {
      assert.throws(
        () => new Session(asGiven(options)),
        (error) => error instanceof OptionError && error.code === code,
        JSON.stringify(options),
      )
    }
  })
})

describe('lists that are fetched', () => {
  it('come from where the certificate says, once, and are kept', async () => {
    await using all = await published()
    await using session = new Session({ ca: all.ours.rootPem, crl: all.ofRoot, ...all.fetch })
    assert.ok((await session.get(all.server.url)).ok)
    for (const socket of all.server.open) socket.destroy()
    assert.ok((await session.get(all.server.url)).ok)
    assert.deepEqual(all.asked, ['/issuer.crl'])
    all.publish(all.ours.crl({ revoked: [all.leaf] }).der)
    await session.reload()
    assert.equal((await failureOf(session.get(all.server.url))).code, 'revoked')
    assert.equal(all.asked.length, 2)
  })

  it('only for authorities that are named, and for none by default', async () => {
    await using all = await published()
    const ca = all.ours.rootPem
    assert.ok((await get(all.server.url, { ca })).ok)
    const stranger = testAuthority().rootPem
    assert.ok((await get(all.server.url, { ca, revocation: { fetch: stranger } })).ok)
    assert.deepEqual(all.asked, [])
    const named = { fetch: all.ours.issuerPem, check: 'leaf' } as const
    assert.ok((await get(all.server.url, { ca, revocation: named })).ok)
    assert.deepEqual(all.asked, ['/issuer.crl'])
  })

  it('cannot be had where a certificate does not say where its list is, and the refusal says so', async () => {
    await using all = await published()
    const error = await failureOf(get(all.server.url, { ca: all.ours.rootPem, ...all.fetch }))
    assert.equal(error.code, 'crl-missing')
    assert.match(error.message, /Test Root.*does not say where its list is/)
  })

  it('by default below the data folder of an authority, where its certificates say', async () => {
    await using all = await published()
    const data = path.join(folder, 'data')
    await mkdir(data)
    await writeFile(path.join(data, 'roots.pem'), all.ours.rootPem)
    await writeFile(path.join(data, 'issuer.key'), '')
    await using session = new Session({ ca: data })
    assert.ok((await session.get(all.server.url)).ok)
    assert.deepEqual(
      all.asked,
      ['/issuer.crl'],
      'of the leaf: the issuer does not say where its list is',
    )
    all.publish(all.ours.crl({ revoked: [all.leaf] }).der)
    await session.reload()
    assert.equal((await failureOf(session.get(all.server.url))).code, 'revoked')
    assert.ok((await session.get(all.server.url, { revocation: 'off' })).ok)
    // Certificates that do not say where their list is are let in.
    const silent = await scene()
    await writeFile(path.join(data, 'roots.pem'), silent.ours.rootPem)
    assert.ok((await session.get(silent.server.url)).ok)
    await silent[Symbol.asyncDispose]()
  })

  const failing: readonly (readonly [string, http.RequestListener, RegExp])[] = [
    ['404', (_request, response) => response.writeHead(404).end(), /answered 404/],
    [
      'a redirect',
      (_request, response) => response.writeHead(302, { location: '/other' }).end(),
      /answered 302/,
    ],
    ['garbage', (_request, response) => response.end('hello'), /neither PEM nor DER|issuer\.crl/],
    ['a cut connection', (request) => request.socket.destroy(), /issuer\.crl/],
    [
      'a list that does not end',
      (_request, response) => {
        const chunk = Buffer.alloc(1024 * 1024)
        const more = (): void => {
          while (!response.destroyed && response.write(chunk)) {
            // Until the client has had enough.
          }
        }
        response.on('drain', more)
        more()
      },
      /larger than/,
    ],
  ]
  for (const [name, listener, message] of failing) {
    it(`that cannot be had (${name}) are a refusal that says why`, async () => {
      await using all = await published(listener)
      const error = await failureOf(
        get(all.server.url, { ca: all.ours.rootPem, crl: all.ofRoot, ...all.fetch }),
      )
      assert.ok(error instanceof TrustError)
      assert.equal(error.code, 'crl-missing')
      assert.match(error.message, message)
      assert.equal(all.server.seen.length, 0)
    })
  }

  it('that cannot be fetched again: the last one is used until it is stale', async () => {
    await using all = await published()
    const stale = {
      thisUpdate: new Date(Date.now() - 120_000),
      nextUpdate: new Date(Date.now() - 60_000),
    }
    all.publish(all.ours.crl(stale).der)
    const options = { ca: all.ours.rootPem, crl: all.ofRoot }
    const refused = await failureOf(get(all.server.url, { ...options, ...all.fetch }))
    assert.equal(refused.code, 'crl-stale')
    const accept = { revocation: { fetch: all.ours.rootPem, stale: 'accept' } } as const
    assert.ok((await get(all.server.url, { ...options, ...accept })).ok)
  })

  it('are waited for no longer than for the connection', async () => {
    let asked: (() => void) | undefined
    const waiting = new Promise<void>((resolve) => {
      asked = resolve
    })
    await using all = await published(() => asked?.())
    const controller = new AbortController()
    const call = failureOf(
      get(all.server.url, {
        ca: all.ours.rootPem,
        crl: all.ofRoot,
        ...all.fetch,
        signal: controller.signal,
      }),
    )
    await waiting
    controller.abort()
    assert.equal((await call).code, 'aborted')
    assert.equal(all.server.seen.length, 0)
  })
})

/** A server whose certificate says where the list of its issuer is. */
async function published(listener?: http.RequestListener) {
  const asked: string[] = []
  let list: Uint8Array = new Uint8Array()
  const lists = http.createServer((request, response) => {
    asked.push(request.url ?? '')
    if (listener !== undefined) listener(request, response)
    else response.end(list)
  })
  await new Promise<void>((resolve) => {
    lists.listen(0, '127.0.0.1', resolve)
  })
  const address = lists.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const ours = testAuthority({ crlUrl: `http://127.0.0.1:${port}/issuer.crl` })
  const identity = ours.issue({ names: ['localhost'] })
  list = ours.crl().der
  const server = await startServer((_request, response) => sendJson(response, 'here'), {
    key: identity.keyPem,
    cert: identity.chainPem,
  })
  return {
    ours,
    server,
    asked,
    leaf: identity.certificate,
    /** The issuer's certificate of this authority says nothing about where the root's list is. */
    ofRoot: ours.crl({ ofRoot: true }).pem,
    fetch: { revocation: { fetch: ours.rootPem } },
    publish(der: Uint8Array) {
      list = der
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      lists.closeAllConnections()
      await new Promise((resolve) => {
        lists.close(resolve)
      })
    },
  }
}
