import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Session } from '@countersign/client'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import { createDefaultContext } from '@countersign/tls'
import { failureOf } from './failures.ts'
import { sendJson, startServer, type TestServer } from './servers.ts'

scrubProcess()
const ours = testAuthority()
const theirs = testAuthority()
const leaf = ours.issue({ names: ['localhost', '127.0.0.1'] })
const alice = ours.issue({ names: ['alice'], client: true })
const bob = ours.issue({ names: ['bob'], client: true })
const asAlice = { cert: alice.chainPem, key: alice.keyPem }
const asBob = { cert: bob.chainPem, key: bob.keyPem }
const asking = createDefaultContext({
  purpose: 'client-auth',
  cert: leaf.chainPem,
  key: leaf.keyPem,
  ca: ours.rootPem,
  clientCertificates: 'ask',
}).nodeServerOptions()
let one: TestServer
let other: TestServer

before(async () => {
  one = await startServer((request, response) => {
    if (request.url === '/away') response.writeHead(302, { location: `${other.url}/landed` }).end()
    else sendJson(response, request.client ?? null)
  }, asking)
  other = await startServer((request, response) => {
    if (request.url === '/back') response.writeHead(302, { location: `${one.url}/landed` }).end()
    else sendJson(response, request.client ?? null)
  }, asking)
})
after(async () => {
  await one[Symbol.asyncDispose]()
  await other[Symbol.asyncDispose]()
})

describe('who we are, by origin', () => {
  it('is what the profile of the origin says', async () => {
    await using session = new Session({
      ca: ours.rootPem,
      origins: { [one.url]: asAlice, [other.url]: asBob },
    })
    assert.equal(await (await session.get(one.url)).json(), 'alice')
    assert.equal(await (await session.get(other.url)).json(), 'bob')
    assert.equal(await (await session.get(`https://127.0.0.1:${one.port}`)).json(), null)
  })

  it('stays who it is when a redirect leads from one to the other and back', async () => {
    await using session = new Session({
      ca: ours.rootPem,
      origins: { [one.url]: asAlice, [other.url]: asBob },
    })
    assert.equal(await (await session.get(`${one.url}/away`)).json(), 'bob')
    assert.equal(await (await session.get(`${other.url}/back`)).json(), 'alice')
  })

  it('goes to nobody who has no profile', async () => {
    await using session = new Session({ ca: ours.rootPem, origins: { [one.url]: asAlice } })
    assert.equal(await (await session.get(`${one.url}/away`)).json(), null)
  })

  it('is the call for a call, and the session at its home', async () => {
    await using session = new Session({
      baseUrl: one.url,
      ca: ours.rootPem,
      ...asAlice,
      origins: { 'https://localhost:*': asBob },
    })
    assert.equal(await (await session.get('/')).json(), 'alice')
    assert.equal(await (await session.get(other.url)).json(), 'bob')
    assert.equal(await (await session.get('/', asBob)).json(), 'bob')
    // Away from home the session has no name; the profile of an origin is about that origin, wherever the way led from.
    assert.equal(await (await session.get('/away')).json(), 'bob')
  })
})

describe('whom we trust, by origin', () => {
  it('is what the most specific profile says', async () => {
    await using session = new Session({
      origins: {
        'https://**:*': { ca: theirs.rootPem },
        'https://localhost:*': { ca: ours.rootPem },
        [other.url]: { ca: theirs.rootPem },
      },
    })
    assert.ok((await session.get(one.url)).ok)
    assert.equal((await failureOf(session.get(other.url))).code, 'untrusted-root')
    const byAddress = await failureOf(session.get(`https://127.0.0.1:${one.port}`))
    assert.equal(byAddress.code, 'untrusted-root')
  })

  it('holds where a redirect leads', async () => {
    await using session = new Session({
      origins: { [one.url]: { ca: ours.rootPem }, [other.url]: { ca: theirs.rootPem } },
    })
    assert.ok((await session.get(one.url)).ok)
    assert.equal((await failureOf(session.get(`${one.url}/away`))).code, 'untrusted-root')
  })

  it('verify: false of one origin is not lent to another', async () => {
    await using session = new Session({
      warnInsecure: false,
      origins: { [one.url]: { verify: false } },
    })
    assert.equal((await session.get(one.url)).peer.verified, false)
    assert.equal((await failureOf(session.get(other.url))).code, 'untrusted-root')
    assert.equal((await failureOf(session.get(`${one.url}/away`))).code, 'untrusted-root')
    const said = await failureOf(session.get(one.url, { verify: true }))
    assert.equal(said.code, 'untrusted-root')
  })

  it('the session beats a profile that trusts nobody, or anybody', async () => {
    await using session = new Session({
      ca: ours.rootPem,
      origins: { [one.url]: { verify: false }, [other.url]: { ca: theirs.rootPem } },
    })
    assert.equal((await session.get(one.url)).peer.verified, true)
    assert.equal((await session.get(other.url)).peer.verified, true)
  })
})
