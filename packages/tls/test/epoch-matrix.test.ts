/**
 * Trust changes take effect now: whoever is not to be let in is not, by a new handshake, by an old session, or on a
 * connection that lives on.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { type TestIdentity, testAuthority } from '@countersign/testkit'
import type { ConnectOptions, TlsContext, TlsContextOptions } from '@countersign/tls'
import {
  authority,
  clientContext,
  connectTo,
  failureOf,
  serverContext,
  startServer,
  type TestServer,
} from './support.ts'

const DAY = 86_400_000
const other = testAuthority()

interface Case {
  what: string
  /** Who connects; `undefined` has no certificate. */
  identity: TestIdentity | undefined
  /** What lets it in. */
  before: TlsContextOptions
  /** What does not any more; without it the clock goes on. */
  after?: () => TlsContextOptions
  code: string
}

const alice = authority.issue({ names: ['alice'], client: true })
const CASES: readonly Case[] = [
  {
    what: 'no certificate',
    identity: undefined,
    before: { ca: authority.rootPem, clientCertificates: 'ask' },
    after: () => ({ ca: authority.rootPem, clientCertificates: 'require' }),
    code: 'no-client-certificate',
  },
  {
    what: 'an expired certificate',
    identity: authority.issue({
      names: ['bob'],
      client: true,
      notAfter: new Date(Date.now() + DAY),
    }),
    before: { ca: authority.rootPem },
    code: 'expired',
  },
  {
    what: 'a revoked certificate',
    identity: alice,
    before: { ca: authority.rootPem, crl: authority.crlPem() },
    after: () => ({
      ca: authority.rootPem,
      crl: authority.crlPem({ revoked: [alice.certificate] }),
    }),
    code: 'revoked',
  },
  {
    what: 'a certificate whose CA was removed',
    identity: alice,
    before: { ca: [authority.rootPem, other.rootPem] },
    after: () => ({ ca: other.rootPem }),
    code: 'untrusted-root',
  },
]

/** Lets two days pass, or changes what is trusted. */
function change(t: TestContext, { listener }: TestServer, { after }: Case): number {
  if (after !== undefined) return listener.reload(serverContext(after()))
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 2 * DAY })
  return listener.reload(listener.context)
}

/** A visit that is answered, and the session of it. */
async function visit(server: TestServer, options: Partial<ConnectOptions>): Promise<boolean> {
  await using socket = await connectTo(server, { host: 'localhost', ...options })
  await socket.write('hello\n')
  assert.equal(await socket.reader({ timeoutMs: 20_000 }).readLine(), 'hello')
  return socket.resumed
}

async function sessionOf(
  server: TestServer,
  context: TlsContext,
): Promise<ConnectOptions['session']> {
  await using socket = await connectTo(server, { host: 'localhost', context })
  await socket.write('hello\n')
  await socket.reader().readLine()
  const session = socket.session()
  assert.ok(session !== undefined)
  return session
}

/** A visit that must be refused, and for the right reason. */
async function refused(
  server: TestServer,
  options: Partial<ConnectOptions>,
  code: string,
): Promise<void> {
  const error = await failureOf(async () => {
    await using socket = await connectTo(server, { host: 'localhost', ...options })
    await socket.write('hello\n')
    const line = await socket.reader({ timeoutMs: 20_000 }).readLine()
    assert.equal(line, null, 'nothing is answered')
  })
  assert.match(
    error.code,
    /^(?:unexpected-end|reset|socket-closed|write-failed|server-refused-client-cert|handshake-failed)$/,
  )
  assert.equal((await server.refusal).code, code)
}

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  describe(`trust epoch, ${maxVersion}`, () => {
    for (const one of CASES) {
      const { what, identity, before, code } = one
      const contextOf = (): TlsContext =>
        identity === undefined
          ? clientContext({ maxVersion })
          : clientContext({ maxVersion, cert: identity.chainPem, key: identity.keyPem })

      it(`${what}: a fresh handshake is refused, and was not before`, async (t) => {
        await using server = await startServer(undefined, { context: serverContext(before) })
        const context = contextOf()
        assert.equal(await visit(server, { context }), false)
        change(t, server, one)
        // OpenSSL has a clock of its own: an expired one is refused there as well, see client-certificates.test.ts.
        await refused(server, { context }, code)
      })

      it(`${what}: a resumed session is refused, and was not before (CVE-2025-23419, CVE-2025-23048, botan #5818)`, async (t) => {
        await using server = await startServer(undefined, { context: serverContext(before) })
        const context = contextOf()
        const session = await sessionOf(server, context)
        assert.equal(await visit(server, { context, session }), true)
        change(t, server, one)
        await refused(server, { context, session }, code)
      })

      it(`${what}: a connection that lives on is cut, and others stay`, async (t) => {
        await using server = await startServer(undefined, { context: serverContext(before) })
        await using socket = await connectTo(server, { host: 'localhost', context: contextOf() })
        await socket.write('hello\n')
        assert.equal(await socket.reader().readLine(), 'hello')
        assert.equal(server.listener.reload(serverContext(before)), 0, 'the same trust cuts nobody')
        await socket.write('again\n')
        assert.equal(await socket.reader().readLine(), 'again')
        assert.equal(change(t, server, one), 1)
        const error = await failureOf(() => socket.read(undefined, { timeoutMs: 20_000 }))
        assert.match(error.code, /^(?:reset|unexpected-end)$/)
      })
    }

    it('whoever is still trusted shakes hands in full once, and then resumes again', async () => {
      const carol = authority.issue({ names: ['carol'], client: true })
      await using server = await startServer(undefined, {
        context: serverContext({ ca: authority.rootPem }),
      })
      const context = clientContext({ maxVersion, cert: carol.chainPem, key: carol.keyPem })
      const session = await sessionOf(server, context)
      const crl = authority.crlPem({ revoked: [alice.certificate] })
      server.listener.reload(serverContext({ ca: authority.rootPem, crl }))
      assert.equal(await visit(server, { context, session }), false)
      const newer = await sessionOf(server, context)
      assert.equal(await visit(server, { context, session: newer }), true)
      assert.equal(server.refused.length, 0)
    })
  })
}

it('reload refuses what Node cannot change on an open port', async () => {
  await using server = await startServer()
  for (const options of [{ alpn: ['h2'] }, { psk: () => undefined }]) {
    const error = await failureOf(() => server.listener.reload(serverContext(options)))
    assert.equal(error.code, 'option-invalid')
  }
  assert.equal(
    (await failureOf(() => server.listener.reload(clientContext()))).code,
    'option-invalid',
  )
})
