import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { once } from 'node:events'
import { connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2'
import { Agent } from 'node:https'
import {
  type HostOptions,
  nodeListener,
  peerOf,
  requireCertificate,
  serve,
  type ServeOptions,
  type Server,
} from '@countersign/server'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import { Hono } from 'hono'
import type { Peer } from '@countersign/server'
import { type Answer, ask, Failures, openTls, talk } from './support.ts'

scrubProcess()

const authority = testAuthority()
const other = testAuthority()
const identity = authority.issue({
  names: ['localhost', '127.0.0.1', 'www.corp', 'admin.corp', '*.open.corp'],
})
const special = authority.issue({ names: ['special.corp'] })
const ca = authority.rootPem
const alice = authority.issue({ names: ['alice'], client: true })
const mallory = other.issue({ names: ['mallory'], client: true })

const HOSTS: Record<string, HostOptions> = {
  'admin.corp': { ca, verifyUser: true },
  '*.open.corp': { verifyUser: false },
  'special.corp': {
    cert: special.chainPem,
    key: special.keyPem,
    ca: other.rootPem,
    verifyUser: 'ask',
  },
}

async function start(options: ServeOptions = {}): Promise<Server> {
  return serve(
    (_request, { peer }) => new Response(peer.certificate?.subject.get('commonName') ?? 'nobody'),
    { cert: identity.chainPem, key: identity.keyPem, hosts: HOSTS, ...options },
  )
}

async function askHost(
  server: Server,
  name: string,
  client?: { chainPem: string; keyPem: string },
  host = name,
): Promise<Answer> {
  const own = client === undefined ? {} : { cert: client.chainPem, key: client.keyPem }
  return ask(server.url, { headers: { host }, tls: { ca, servername: name, ...own } })
}

describe('hosts', () => {
  it('ask for certificates each by its own rules', async () => {
    await using server = await start()
    assert.equal((await askHost(server, 'www.corp', alice)).body, 'nobody')
    assert.equal((await askHost(server, 'admin.corp', alice)).body, 'alice')
    assert.equal((await askHost(server, 'admin.corp')).status, 403)
    assert.equal((await askHost(server, 'admin.corp', mallory)).status, 403)
    assert.equal((await askHost(server, 'a.open.corp', alice)).body, 'nobody')
    assert.equal((await askHost(server, 'special.corp')).body, 'nobody')
    assert.equal((await askHost(server, 'special.corp', mallory)).body, 'mallory')
    assert.equal((await askHost(server, 'special.corp', alice)).status, 403)
  })

  it('have certificates of their own', async () => {
    await using server = await start()
    for (const [name, expected] of [
      ['special.corp', special],
      ['SPECIAL.corp', special],
      ['www.corp', identity],
    ] as const) {
      const socket = await openTls(server.port, { ca, servername: name })
      assert.equal(socket.getPeerCertificate().serialNumber, expected.certificate.serialNumber)
      socket.destroy()
    }
  })

  it('refuse a request that is for another of them', async () => {
    const failures = new Failures()
    await using server = await start({ onHandshakeError: failures.add })
    for (const [name, host] of [
      ['www.corp', 'admin.corp'],
      ['www.corp', 'ADMIN.corp:443'],
      ['www.corp', 'admin.corp.'],
      ['admin.corp', 'www.corp'],
      ['a.open.corp', 'special.corp'],
      ['special.corp', 'nowhere.corp'],
    ] as const) {
      const answer = await askHost(server, name, alice, host)
      assert.equal(answer.status, name === 'special.corp' ? 403 : 421, `${name} ${host}`)
      if (answer.status === 421) assert.equal(JSON.parse(answer.body).code, 'misdirected-request')
    }
    assert.equal((await failures.next()).code, 'misdirected-request')
    // Both lead to the same rules.
    assert.equal((await askHost(server, 'www.corp', alice, 'elsewhere.corp')).status, 200)
    assert.equal((await askHost(server, 'a.open.corp', alice, 'b.open.corp')).status, 200)
  })

  it('refuse it later on a connection too, and in the target', async () => {
    await using server = await start()
    const socket = await openTls(server.port, { ca, servername: 'www.corp' })
    const answer = await talk(
      socket,
      'GET / HTTP/1.1\r\nHost: www.corp\r\n\r\nGET / HTTP/1.1\r\nHost: admin.corp\r\n\r\n',
    )
    assert.match(answer, /^HTTP\/1\.1 200 [^]*HTTP\/1\.1 421 /)
    for (const target of [
      'https://admin.corp/',
      'http://x@admin.corp:80/a',
      'HTTPS://ADMIN.CORP',
    ]) {
      const second = await openTls(server.port, { ca, servername: 'www.corp' })
      const request = `GET ${target} HTTP/1.1\r\nHost: www.corp\r\nConnection: close\r\n\r\n`
      assert.match(await talk(second, request), /^HTTP\/1\.1 421 /, target)
    }
  })

  it('refuse it over HTTP/2 too', async () => {
    await using server = await start({ http2: true })
    const session = connectHttp2(server.url, { ca, servername: 'www.corp' })
    for (const [name, expected] of [
      ['www.corp', 200],
      ['admin.corp', 421],
    ] as const) {
      const stream = session.request({ ':authority': name })
      const [headers]: IncomingHttpHeaders[] = await once(stream, 'response')
      assert.equal(headers?.[':status'], expected, name)
      stream.close()
    }
    session.destroy()
  })

  it('do not confuse anybody where none asks for certificates', async () => {
    await using server = await start({ hosts: { 'admin.corp': {} } })
    assert.equal((await askHost(server, 'www.corp', undefined, 'admin.corp')).status, 200)
  })

  it('do not take a session of another', async () => {
    await using server = await start()
    const first = await openTls(server.port, {
      ca,
      servername: 'www.corp',
      cert: alice.chainPem,
      key: alice.keyPem,
    })
    const [session]: Buffer[] = await once(first, 'session')
    first.destroy()
    assert.ok(session !== undefined)
    const second = await openTls(server.port, { ca, servername: 'admin.corp', session })
    assert.equal(second.isSessionReused(), false)
    assert.match(
      await talk(second, 'GET / HTTP/1.1\r\nHost: admin.corp\r\nConnection: close\r\n\r\n'),
      / 403 /,
    )
  })

  it('are replaced by a reload: added, changed, removed', async () => {
    await using server = await start()
    const agent = new Agent({
      ca,
      servername: 'admin.corp',
      cert: alice.chainPem,
      key: alice.keyPem,
      keepAlive: true,
      maxSockets: 1,
    })
    const headers = { host: 'admin.corp' }
    assert.equal((await ask(server.url, { agent, headers })).body, 'alice')
    const { 'admin.corp': _, ...rest } = HOSTS
    const { changed, sites } = await server.reload({
      hosts: { ...rest, 'www.corp': { ca, verifyUser: true } },
    })
    assert.deepEqual(changed, ['certificate', 'trust', 'settings'])
    assert.deepEqual(
      sites.filter(({ kind }) => kind !== 'changed').map(({ host, kind }) => [host, kind]),
      [
        ['www.corp', 'added'],
        ['admin.corp', 'removed'],
      ],
    )
    assert.equal((await askHost(server, 'www.corp')).status, 403)
    assert.equal((await askHost(server, 'admin.corp')).body, 'nobody')
    // What was verified for a site that is gone is nobody's any more.
    assert.equal((await ask(server.url, { agent, headers })).status, 421)
    agent.destroy()
  })

  it('are refused where they make no sense', async () => {
    for (const [hosts, code] of [
      [{ 'uncovered.corp': {} }, 'host-not-covered'],
      [{ 'admin.corp': { verifyUser: true } }, 'client-ca-required'],
      [{ 'a b': {} }, 'option-invalid'],
      [{ 'a.*.corp': {} }, 'option-invalid'],
      [{ '*': {} }, 'option-invalid'],
      [{ 'admin.corp': { cert: special.chainPem, key: alice.keyPem } }, 'key-mismatch'],
      [{ 'admin.corp': { revocation: { depth: 'all' } } }, 'option-invalid'],
      [{ 'admin.corp': { verifyuser: true } }, 'option-unknown'],
    ] as const) {
      await assert.rejects(
        start(JSON.parse(JSON.stringify({ hosts }))),
        { code },
        JSON.stringify(hosts),
      )
    }
    await assert.rejects(
      serve(() => new Response(), { hosts: HOSTS }),
      { code: 'option-conflict' },
    )
  })
})

describe('permit', () => {
  const web = authority.issue({ names: ['web.corp'], client: true })
  const url = authority.issue({
    names: ['reader'],
    client: true,
  })

  it('lets in whom its rule names, at the server and at a host, and tells the others why', async () => {
    const failures = new Failures()
    await using server = await start({
      ca,
      verifyUser: true,
      permit: { dns: 'web.corp' },
      hosts: {
        'admin.corp': {
          permit: { spiffe: 'spiffe://testing/*', issuer: authority.issuer.subject.toString() },
        },
        '*.open.corp': { verifyUser: false },
      },
      onHandshakeError: failures.add,
    })
    assert.equal((await askHost(server, 'www.corp', web)).body, 'web.corp')
    assert.equal((await askHost(server, 'admin.corp', url)).body, 'reader')
    assert.equal((await askHost(server, 'a.open.corp')).body, 'nobody')
    for (const [name, client] of [
      ['www.corp', url],
      ['admin.corp', web],
    ] as const) {
      const refused = await askHost(server, name, client)
      assert.equal(refused.status, 403)
      const problem = JSON.parse(refused.body)
      assert.equal(problem.code, 'certificate-not-permitted')
      assert.equal(problem.acceptedAuthorities.length, 1)
      const { code, address } = await failures.next()
      assert.deepEqual([code, address], ['certificate-not-permitted', '127.0.0.1'])
    }
    assert.equal(
      JSON.parse((await askHost(server, 'www.corp', mallory)).body).code,
      'untrusted-root',
    )
  })

  it('cuts off whom it does not name where the server is strict', async () => {
    const failures = new Failures()
    await using server = await start({
      ca,
      verifyUser: true,
      strict: true,
      hosts: {},
      permit: { dns: 'web.corp' },
      onHandshakeError: failures.add,
    })
    assert.equal((await askHost(server, 'www.corp', web)).status, 200)
    await assert.rejects(askHost(server, 'www.corp', alice))
    assert.equal((await failures.next()).code, 'certificate-not-permitted')
  })

  it('is put to connections that are open when a reload brings it', async () => {
    await using server = await start({ ca, verifyUser: true, hosts: { 'admin.corp': {} } })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const tls = { ca, servername: 'admin.corp', cert: alice.chainPem, key: alice.keyPem }
    const again = async (): Promise<Answer> =>
      ask(server.url, { headers: { host: 'admin.corp' }, tls, agent })
    assert.equal((await again()).status, 200)
    await server.reload({ hosts: { 'admin.corp': { permit: { dns: 'web.corp' } } } })
    const refused = await again()
    assert.equal(refused.status, 403)
    assert.equal(JSON.parse(refused.body).code, 'certificate-not-permitted')
    agent.destroy()
  })

  it('is refused where it names nobody, is misspelt, or nobody is asked for a certificate', async () => {
    const all = { ca, verifyUser: true } as const
    await assert.rejects(start({ ...all, permit: { dns: '' } }), { code: 'option-invalid' })
    await assert.rejects(start({ ...all, permit: JSON.parse('{"cn":"x"}') }), {
      code: 'option-unknown',
    })
    await assert.rejects(start({ ...all, hosts: { 'admin.corp': { permit: { uri: '*' } } } }), {
      code: 'option-invalid',
    })
    await assert.rejects(start({ hosts: {}, permit: { dns: 'web.corp' } }), {
      code: 'option-conflict',
    })
  })
})

describe('requireCertificate', () => {
  const spiffe = authority.issue({ names: ['spiffe://corp/admin/ada', 'ada'], client: true })
  const web = authority.issue({ names: ['web.corp', 'ada@corp.example'], client: true })

  const cases: [Parameters<typeof requireCertificate>[0], Answerable, boolean][] = [
    [{}, web, true],
    [{ dns: 'web.corp' }, web, true],
    [{ dns: ['x.corp', 'WEB.corp'] }, web, true],
    [{ dns: '*.corp' }, web, true],
    [{ dns: 'corp' }, web, false],
    [{ dns: '*.web.corp' }, web, false],
    [{ email: 'ada@CORP.example' }, web, true],
    [{ email: 'Ada@corp.example' }, web, false],
    [{ email: '*@corp.example' }, web, true],
    [{ email: '*@example' }, web, false],
    [{ uri: 'spiffe://testing/alice' }, alice, true],
    [{ uri: 'spiffe://testing/*' }, alice, true],
    [{ uri: 'spiffe://testing' }, alice, false],
    [{ spiffe: 'spiffe://testing/alice' }, alice, true],
    [{ spiffe: 'spiffe://testing/al/*' }, alice, false],
    [{ trustDomain: 'testing' }, alice, true],
    [{ trustDomain: 'test' }, alice, false],
    // Two URIs are no SPIFFE id.
    [{ trustDomain: 'corp' }, spiffe, false],
    [{ issuer: authority.issuer.subject.toString() }, alice, true],
    [{ issuer: other.issuer.subject.toString() }, alice, false],
    [{ fingerprint: alice.certificate.fingerprint.toUpperCase() }, alice, true],
    [{ fingerprint: web.certificate.fingerprint }, alice, false],
    [{ dns: 'web.corp', issuer: 'CN=x' }, web, false],
    [(certificate) => certificate.serialNumber === web.certificate.serialNumber, web, true],
    [() => false, web, false],
  ]

  it('permits by name, issuer and fingerprint, around a fetch handler', async () => {
    for (const [rule, client, permitted] of cases) {
      const guard = requireCertificate(rule)
      await using server = await serve(
        guard.wrap(() => new Response('in')),
        {
          cert: identity.chainPem,
          key: identity.keyPem,
          ca,
          verifyUser: 'ask',
        },
      )
      const tls = { ca, cert: client.chainPem, key: client.keyPem }
      const answer = await ask(server.url, { tls })
      assert.equal(answer.status, permitted ? 200 : 403, JSON.stringify(rule))
      if (!permitted) assert.equal(JSON.parse(answer.body).code, 'certificate-not-permitted')
    }
  })

  it('guards some routes of a Hono app, and no others', async () => {
    const app = new Hono<{ Bindings: { peer: Peer } }>()
    app.use('/admin/*', requireCertificate({ dns: 'web.corp' }))
    app.get('/admin/x', (c) => c.text('admin'))
    app.get('/', (c) => c.text('everybody'))
    await using server = await serve(app, {
      cert: identity.chainPem,
      key: identity.keyPem,
      ca,
      verifyUser: 'ask',
    })
    const at = async (target: string, client?: Answerable): Promise<Answer> =>
      ask(`${server.url}${target}`, {
        tls: { ca, ...(client === undefined ? {} : { cert: client.chainPem, key: client.keyPem }) },
      })
    assert.equal((await at('/admin/x', web)).body, 'admin')
    assert.equal((await at('/admin/x', alice)).status, 403)
    const nobody = await at('/admin/x')
    assert.equal(nobody.status, 403)
    assert.equal(JSON.parse(nobody.body).code, 'no-client-certificate')
    assert.equal((await at('/')).body, 'everybody')
  })

  it('says which authorities the site accepts, as its handshake does, and tells the operator once', async () => {
    const failures = new Failures()
    const rule = { spiffe: 'spiffe://corp/admin/*' }
    await using server = await serve(
      requireCertificate(rule).wrap(() => new Response('in')),
      {
        cert: identity.chainPem,
        key: identity.keyPem,
        ca: [ca],
        verifyUser: 'ask',
        hosts: HOSTS,
        onHandshakeError: failures.add,
      },
    )
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const tls = { ca, servername: 'www.corp', cert: alice.chainPem, key: alice.keyPem }
    for (let times = 0; times < 3; times++) {
      const answer = await ask(server.url, { headers: { host: 'www.corp' }, tls, agent })
      assert.equal(answer.status, 403)
      const { acceptedAuthorities, ...problem } = JSON.parse(answer.body)
      assert.deepEqual(acceptedAuthorities, [authority.root.subject.toString()])
      // Neither the rule nor whom it lets in.
      assert.deepEqual(Object.keys(problem).toSorted(), [
        'code',
        'detail',
        'hint',
        'status',
        'title',
        'type',
      ])
      assert.doesNotMatch(answer.body, /corp/)
    }
    agent.destroy()
    const nobody = await askHost(server, 'special.corp')
    assert.equal(JSON.parse(nobody.body).code, 'no-client-certificate')
    assert.deepEqual(JSON.parse(nobody.body).acceptedAuthorities, [other.root.subject.toString()])

    const { code, message, address } = await failures.next()
    assert.deepEqual([code, address], ['certificate-not-permitted', '127.0.0.1'])
    assert.match(message, /not one of those/)
    // Asked three times on one connection, reported once.
    assert.equal((await failures.next()).code, 'no-client-certificate')
  })

  it('names no authority where nobody is asked for a certificate, and says whose matter that is', async () => {
    for (const options of [
      {},
      { cert: identity.chainPem, key: identity.keyPem },
      { cert: identity.chainPem, key: identity.keyPem, ca, verifyUser: 'ask', hosts: HOSTS },
    ] as const) {
      await using server = await serve(
        requireCertificate().wrap(() => new Response('in')),
        options,
      )
      const answer =
        'hosts' in options
          ? await askHost(server, 'x.open.corp')
          : await ask(server.url, { tls: { ca } })
      assert.equal(answer.status, 403)
      const problem = JSON.parse(answer.body)
      assert.equal(problem.code, 'no-client-certificate')
      assert.match(problem.detail, /asks nobody for one/)
      assert.equal('acceptedAuthorities' in problem, false)
    }
  })

  it('leaves answering and reporting to a Node listener, and names the authorities', async () => {
    const failures = new Failures()
    const guard = requireCertificate(() => false)
    await using server = await serve(
      nodeListener((incoming, outgoing) => {
        outgoing.end(JSON.stringify(guard.refusal(peerOf(incoming))))
      }),
      {
        cert: identity.chainPem,
        key: identity.keyPem,
        ca,
        verifyUser: 'ask',
        onHandshakeError: failures.add,
      },
    )
    const answer = await ask(server.url, { tls: { ca } })
    const { code, acceptedAuthorities } = JSON.parse(answer.body)
    assert.deepEqual(
      [code, acceptedAuthorities],
      ['no-client-certificate', [authority.root.subject.toString()]],
    )
    // The first that is reported is the one after it.
    await assert.rejects(ask(server.url, { tls: { ca: other.rootPem } }))
    assert.notEqual((await failures.next()).code, 'no-client-certificate')
    // Of a peer that no server has made nobody knows whether it was asked.
    assert.match(guard.refusal(undefined)?.message ?? '', /none was presented/)
  })

  it('refuses a rule that names nobody', () => {
    for (const rule of [{ dns: [] }, { dns: '' }, { uri: '*' }, { email: ['a@b', ''] }]) {
      assert.throws(() => requireCertificate(rule), { code: 'option-invalid' })
    }
    assert.throws(() => requireCertificate(JSON.parse('{"cn":"x"}')), { code: 'option-unknown' })
  })
})

interface Answerable {
  readonly chainPem: string
  readonly keyPem: string
}
