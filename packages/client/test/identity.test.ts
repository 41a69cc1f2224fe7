import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { ConnectError, get, IdentityError, Session, StatusError } from '@countersign/client'
import { scrubProcess, temporaryFolder, testAuthority } from '@countersign/testkit'
import { createDefaultContext } from '@countersign/tls'
import { failureOf } from './failures.ts'
import { sendJson, startServer, type TestServer } from './servers.ts'

scrubProcess()
const ours = testAuthority()
const folder = temporaryFolder(after)
const alice = ours.issue({ names: ['alice'], client: true })
const files = alice.write(folder, 'alice')
const leaf = ours.issue({ names: ['localhost', '127.0.0.1'] })

/** A server that asks for a client certificate and does without. */
const ASKING = createDefaultContext({
  purpose: 'client-auth',
  cert: leaf.chainPem,
  key: leaf.keyPem,
  ca: ours.rootPem,
  clientCertificates: 'ask',
}).nodeServerOptions()

async function mutual(maxVersion: 'TLSv1.2' | 'TLSv1.3' = 'TLSv1.3'): Promise<TestServer> {
  return startServer((request, response) => sendJson(response, request.client ?? null), {
    key: leaf.keyPem,
    cert: leaf.chainPem,
    ca: ours.rootPem,
    requestCert: true,
    maxVersion,
  })
}

describe('a client certificate', () => {
  it('is shown: as paths, as PEM text, from one file of both, in a context', async () => {
    await using server = await mutual()
    const ways = [
      { ca: files.roots, cert: files.certificate, key: files.key },
      { ca: ours.rootPem, cert: alice.chainPem, key: alice.keyPem },
      { ca: ours.rootPem, cert: files.pem },
      {
        ca: ours.rootPem,
        cert: alice.chainPem,
        key: alice.key.toPem({ passphrase: 'p', iterations: 1000 }),
        passphrase: 'p',
      },
      { verify: createDefaultContext({ ca: ours.rootPem, cert: files.pem }) },
    ]
    for (const options of ways) {
      assert.equal(await (await get(server.url, options)).json(), 'alice')
      await using session = new Session(options)
      assert.equal(await (await session.get(server.url)).json(), 'alice')
    }
  })

  it('that is required but not there is an IdentityError, not "other side closed"', async () => {
    await using server = await mutual()
    for (let round = 0; round < 8; round++) {
      const error = await failureOf(get(server.url, { ca: ours.rootPem }))
      assert.ok(error instanceof IdentityError, `${error.name} ${error.message}`)
      assert.equal(error.code, 'server-refused-client-cert')
      assert.equal(error.nodeCode, 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED')
      assert.match(error.message, /none was offered/)
      assert.match(error.hint ?? '', /cert/)
      assert.equal(error.offered, undefined)
    }
    assert.equal(server.seen.length, 0)
  })

  it('that is required but not there is an error over TLS 1.2 as well', async () => {
    await using server = await mutual('TLSv1.2')
    const error = await failureOf(get(server.url, { ca: ours.rootPem }))
    assert.ok(error instanceof IdentityError || error instanceof ConnectError, error.name)
    assert.match(`${error.message} ${error.hint}`, /certificate|handshake/)
  })

  it('that the server does not trust is named in the error', async () => {
    await using server = await mutual()
    const stranger = testAuthority().issue({ names: ['mallory'], client: true })
    const error = await failureOf(
      get(server.url, { ca: ours.rootPem, cert: stranger.chainPem, key: stranger.keyPem }),
    )
    assert.ok(error instanceof ConnectError || error instanceof IdentityError)
    assert.match(`${error.message} ${error.hint}`, /mallory/)
  })

  it('that failed is not tried again', async () => {
    await using server = await mutual()
    await failureOf(get(server.url, { ca: ours.rootPem, retry: 5 }))
    assert.equal(server.connections, 1)
  })

  it('of one call is not on the connection of another', async () => {
    await using server = await startServer(
      (request, response) => sendJson(response, request.client ?? null),
      ASKING,
    )
    await using session = new Session({ ca: ours.rootPem })
    const identity = { cert: files.pem }
    assert.equal(await (await session.get(server.url, identity)).json(), 'alice')
    assert.equal(await (await session.get(server.url)).json(), null)
    assert.equal(await (await session.get(server.url, identity)).json(), 'alice')
  })

  it('of a session goes only to its home', async () => {
    await using home = await asking()
    await using elsewhere = await asking()
    await using session = new Session({ baseUrl: home.url, ca: ours.rootPem, cert: files.pem })
    assert.equal(await (await session.get('/')).json(), 'alice')
    assert.equal(await (await session.get(elsewhere.url)).json(), null)
    const unverified = { verify: false, warnInsecure: false } as const
    assert.equal(await (await session.get(elsewhere.url, unverified)).json(), null)
    assert.equal(await (await session.get('/', unverified)).json(), 'alice')
    const bob = ours.issue({ names: ['bob'], client: true })
    const own = { cert: bob.chainPem, key: bob.keyPem }
    assert.equal(await (await session.get(elsewhere.url, own)).json(), 'bob')
    await using both = new Session({
      ca: ours.rootPem,
      cert: files.pem,
      origins: [home.url, elsewhere.url],
    })
    assert.equal(await (await both.get(home.url)).json(), 'alice')
    assert.equal(await (await both.get(elsewhere.url)).json(), 'alice')
  })
})

describe('a server that says in an answer what it thinks of our certificate', () => {
  const refusal = {
    status: 403,
    code: 'no-client-certificate',
    detail: 'this server wants a client certificate, and none was presented',
    hint: 'connect again with your certificate and key',
    acceptedAuthorities: ['CN=Clients,O=Testing', 'CN=Partners,O=Testing'],
  }
  const problem = { 'content-type': 'application/problem+json' }

  it('is an IdentityError of raiseForStatus, with the authorities it accepts', async () => {
    await using server = await startServer((_request, response) => {
      response.writeHead(403, problem).end(JSON.stringify(refusal))
    }, ASKING)
    const options = { ca: ours.rootPem, cert: files.pem }
    const response = await get(server.url, options)
    assert.equal(response.status, 403, 'an answer is an answer')
    assert.throws(
      () => response.raiseForStatus(),
      (error) => {
        assert.ok(error instanceof IdentityError)
        assert.equal(error.code, 'server-refused-client-cert')
        assert.match(error.message, /wants a client certificate.*offered was "CN=alice/)
        assert.equal(error.hint, refusal.hint)
        assert.equal(error.offered?.fingerprint, alice.certificate.fingerprint)
        assert.deepEqual(error.acceptedAuthorities, refusal.acceptedAuthorities)
        const { clientCertificates, chain } = error.explanation
        assert.deepEqual(clientCertificates?.acceptedAuthorities, refusal.acceptedAuthorities)
        assert.equal(chain[0]?.fingerprint, leaf.certificate.fingerprint)
        return true
      },
    )
  })

  for (const [name, body] of [
    ['without authorities', { ...refusal, acceptedAuthorities: undefined }],
    ['with something else for authorities', { ...refusal, acceptedAuthorities: 'CN=x' }],
    ['with another status', { ...refusal, status: 401 }],
  ] as const) {
    it(`${name} is a StatusError, as any other`, async () => {
      await using server = await startServer((_request, response) => {
        response.writeHead(body.status, problem).end(JSON.stringify(body))
      }, ASKING)
      const response = await get(server.url, { ca: ours.rootPem })
      assert.throws(() => response.raiseForStatus(), StatusError)
    })
  }

  it('with 421 on a connection that was good before is asked again over a new one', async () => {
    await using server = await startServer((request, response) => {
      const outdated = request.url === '/once' && server.connections === 1
      response.writeHead(outdated ? 421 : 200).end(request.body)
    }, ASKING)
    await using session = new Session({ ca: ours.rootPem, cert: files.pem })
    await (await session.get(server.url)).text()
    const response = await session.post(`${server.url}/once`, { body: 'again' })
    assert.equal(response.status, 200)
    assert.equal(await response.text(), 'again')
    assert.equal(server.connections, 2)
    assert.equal(server.seen.length, 3)
  })

  it('with 421 is asked again once, and of a new connection not at all', async () => {
    await using server = await startServer((request, response) => {
      response.writeHead(request.url === '/never' ? 421 : 200).end()
    }, ASKING)
    await using session = new Session({ ca: ours.rootPem })
    assert.equal((await session.get(`${server.url}/never`)).status, 421)
    assert.equal(server.seen.length, 1)
    await (await session.get(server.url)).text()
    assert.equal((await session.get(`${server.url}/never`)).status, 421)
    assert.equal(server.seen.length, 4)
  })
})

describe('a redirect to another origin', () => {
  const secrets = {
    authorization: 'Bearer secret',
    'x-api-key': 'secret',
    'proxy-authorization': 'Basic secret',
    'private-token': 'secret',
    accept: 'application/json',
    'accept-language': 'de',
  }
  for (const status of [301, 302, 303, 307, 308]) {
    it(`${status}: takes neither headers, cookies nor certificate along`, async () => {
      await using target = await asking()
      await using home = await startServer((_request, response) => {
        response.writeHead(status, {
          location: `${target.url}/landed`,
          'set-cookie': [
            'kept=secret; Path=/; HttpOnly',
            'domain=secret; Path=/; Domain=localhost',
          ],
        })
        response.end()
      }, ASKING)
      // Another host than the target's: cookies do not tell ports apart (RFC 6265 §8.5).
      const start = `https://127.0.0.1:${home.port}/`
      await using session = new Session({
        ca: ours.rootPem,
        cert: files.pem,
        headers: { 'x-session': 'secret' },
      })
      const response = await session.get(start, { headers: secrets, cookies: { byhand: 'secret' } })
      assert.equal(response.url, `${target.url}/landed`)
      assert.equal(await response.json(), null, 'no client certificate')
      const [arrived] = target.seen
      assert.ok(arrived !== undefined)
      assert.equal(
        JSON.stringify(arrived).includes('secret'),
        false,
        JSON.stringify(arrived.headers),
      )
      assert.equal(arrived.headers['accept-language'], 'de')
      const [left] = home.seen
      assert.equal(left?.client, 'alice')
      assert.equal(left?.headers['x-api-key'], 'secret')
      assert.equal(left?.headers.cookie, 'byhand=secret')
    })
  }

  it('takes nothing along either when it comes back', async () => {
    let home: TestServer | undefined
    await using target = await startServer(
      (_request, response) => {
        response.writeHead(302, { location: `${home?.url}/back` })
        response.end()
      },
      { key: leaf.keyPem, cert: leaf.chainPem },
    )
    home = await startServer((request, response) => {
      if (request.url === '/') response.writeHead(302, { location: target.url })
      response.end()
    }, ASKING)
    await using started = home
    await using session = new Session({ ca: ours.rootPem, cert: files.pem })
    const response = await session.get(`${started.url}/`, { auth: { bearer: 'secret' } })
    assert.equal(response.url, `${started.url}/back`)
    assert.equal(started.seen[1]?.headers.authorization, undefined)
    assert.equal(started.seen[1]?.client, undefined)
  })

  it('keeps everything on its own origin', async () => {
    await using home = await startServer((request, response) => {
      if (request.url === '/') response.writeHead(302, { location: '/next' })
      response.end()
    }, ASKING)
    await using session = new Session({ ca: ours.rootPem, cert: files.pem })
    await session.get(`${home.url}/`, { auth: { bearer: 'token' }, cookies: { a: 'b' } })
    assert.equal(home.seen[1]?.headers.authorization, 'Bearer token')
    assert.equal(home.seen[1]?.headers.cookie, 'a=b')
    assert.equal(home.seen[1]?.client, 'alice')
  })

  it('does not take verify: false along', async () => {
    const other = testAuthority().issue({ names: ['127.0.0.1'] })
    await using target = await startServer((_request, response) => sendJson(response, 1), {
      key: other.keyPem,
      cert: other.chainPem,
    })
    await using home = await startServer(
      (_request, response) => {
        response.writeHead(302, { location: `https://127.0.0.1:${target.port}/` })
        response.end()
      },
      { key: leaf.keyPem, cert: leaf.chainPem },
    )
    const error = await failureOf(get(home.url, { verify: false, warnInsecure: false }))
    assert.equal(error.code, 'untrusted-root')
    assert.equal(target.seen.length, 0)
  })
})

async function asking(): Promise<TestServer> {
  return startServer((request, response) => sendJson(response, request.client ?? null), ASKING)
}
