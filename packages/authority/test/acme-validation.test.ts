import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { describe, it } from 'node:test'
import { type Authority, createAcme } from '@countersign/authority'
import { scrubProcess } from '@countersign/testkit'
import { parseGeneralName, PrivateKey } from '@countersign/x509'
import { arrange, obtain, registered, suiteAcme, tokenOf } from './acme-fixture.ts'
import { challengeContext, startTlsHost } from './acme-hosts.ts'
import { refuses, type SpoilHost, validate } from './acme-validating.ts'

scrubProcess()

const suite = suiteAcme()

/** Has the host of a name answer otherwise. */
const answering =
  (answer: (outgoing: ServerResponse, url: string) => void): SpoilHost =>
  (name) => {
    suite.current.http.handlers.set(name, (incoming, outgoing) =>
      answer(outgoing, incoming.url ?? ''),
    )
  }
const redirecting = (location: (name: string, url: string) => string) =>
  ((name) => {
    suite.current.http.handlers.set(name, (incoming, outgoing) => {
      outgoing.writeHead(302, { location: location(name, incoming.url ?? '') }).end()
    })
  }) satisfies SpoilHost

describe('ACME, hosts that are asked', () => {
  describe('http-01', () => {
    it('follows a redirect to another host on the same port', async () => {
      const { dns, http } = suite.current
      dns.set('elsewhere.a.test', 'A', '127.0.0.1')
      const decided = await validate(
        suite.current,
        'http-01',
        redirecting((_, url) => `http://elsewhere.a.test:${http.port}${url}`),
      )
      assert.equal(decided.at('status'), 'valid', decided.text)
    })

    it('follows a redirect to https where the certificate is to be trusted, and only there', async () => {
      const { authority, options, dns, http } = suite.current
      const answers = new Map<string, string>()
      await using ours = await trustedHost(authority, answers)
      await using foreign = await startTlsHost(['http/1.1'])
      for (const [port, status, type] of [
        [ours.port, 'valid', undefined],
        [foreign.port, 'invalid', 'urn:ietf:params:acme:error:tls'],
      ] as const) {
        await using acme = await createAcme({ ...options, tlsPort: port })
        const fixture = { ...suite.current, acme }
        const driver = await registered(fixture)
        const order = await driver.order(['secure.a.test'])
        const authorization = await driver.post(order.textAt('authorizations.0'))
        const url = arrange(fixture, driver, authorization, 'http-01')
        const token = tokenOf(authorization, 'http-01')
        answers.set(`/.well-known/acme-challenge/${token}`, driver.keyAuthorization(token))
        foreign.contexts.set(
          'secure.a.test',
          challengeContext({ names: [parseGeneralName('secure.a.test')], keyAuthorization: '' }),
        )
        http.handlers.set('secure.a.test', (incoming, outgoing) => {
          const location = `https://secure.a.test:${port}${incoming.url}`
          outgoing.writeHead(301, { location }).end()
        })
        dns.set('secure.a.test', 'A', '127.0.0.1')
        await driver.post(url, {})
        await acme.settled()
        const decided = await driver.post(url)
        assert.deepEqual([decided.at('status'), decided.at('error.type')], [status, type])
      }
    })

    it('takes an answer with a line end behind it', async () => {
      const decided = await validate(suite.current, 'http-01', (name, driver, authorization) => {
        const token = tokenOf(authorization, 'http-01')
        suite.current.http.handlers.set(name, (_, outgoing) => {
          outgoing.end(`${driver.keyAuthorization(token)}\r\n`)
        })
      })
      assert.equal(decided.textAt('type'), 'http-01')
      assert.equal(decided.at('status'), 'valid', decided.text)
    })

    for (const [name, words, spoil] of [
      ['that redirects for ever', /redirects more than 10 times/, redirecting((_, url) => url)],
      [
        'that redirects to another port',
        /another port/,
        redirecting(() => 'http://elsewhere.a.test:22/'),
      ],
      [
        'that redirects to https on another port',
        /another port/,
        redirecting(() => 'https://elsewhere.a.test/'),
      ],
      [
        'that redirects with a user',
        /with a user/,
        redirecting((host) => `http://a:b@${host}:${suite.current.http.port}/`),
      ],
      ['that redirects to a file', /no http or https/, redirecting(() => 'file:///etc/passwd')],
      [
        'that redirects to gopher',
        /no http or https/,
        redirecting(() => 'gopher://127.0.0.1:6379/_x'),
      ],
      [
        'that redirects to where nothing may be reached',
        /10\.0\.0\.1, outside of the networks/,
        redirecting(() => `http://10.0.0.1:${suite.current.http.port}/`),
      ],
      [
        'that redirects to loopback',
        /::1, outside of the networks/,
        redirecting(() => `http://[::1]:${suite.current.http.port}/`),
      ],
      [
        'that redirects to an address in the dress of another family',
        /::ffff:a00:1, outside of the networks/,
        redirecting(() => `http://[::ffff:10.0.0.1]:${suite.current.http.port}/`),
      ],
      [
        'that redirects to the metadata of a cloud',
        /169\.254\.169\.254, outside/,
        redirecting(() => `http://169.254.169.254:${suite.current.http.port}/latest/meta-data/`),
      ],
      [
        'that redirects to a name of such an address',
        /inside\.a\.test is at 10\.1\.2\.3, outside/,
        redirecting(() => `http://inside.a.test:${suite.current.http.port}/`),
      ],
      [
        'that redirects to an address in decimal',
        /10\.0\.0\.1, outside/,
        redirecting(() => `http://167772161:${suite.current.http.port}/`),
      ],
    ] as const) {
      it(`refuses a host ${name}`, async () => {
        suite.current.dns.set('inside.a.test', 'A', '10.1.2.3')
        await refuses(suite.current, 'http-01', 'connection', words, spoil)
      })
    }

    for (const [name, words, spoil] of [
      [
        'that knows nothing',
        /answered 404/,
        answering((outgoing) => outgoing.writeHead(404).end()),
      ],
      [
        'that answers something else',
        /did not answer with the key authorization/,
        answering((outgoing) => outgoing.end('hello')),
      ],
      ['that answers nothing', /did not answer with/, answering((outgoing) => outgoing.end())],
      [
        'that answers with the token alone',
        /did not answer with/,
        answering((outgoing, url) => outgoing.end(url.split('/').at(-1))),
      ],
      [
        'that redirects nowhere',
        /leads nowhere/,
        answering((outgoing) => outgoing.writeHead(302).end()),
      ],
      ['that says 1 GB', /more than 65536 bytes/, answering((outgoing) => flood(outgoing))],
      [
        'whose 100 KiB are right at their start',
        /more than 65536 bytes/,
        answering((outgoing) => outgoing.end('x'.repeat(100_000))),
      ],
    ] as const) {
      it(`refuses a host ${name}`, () =>
        refuses(suite.current, 'http-01', 'incorrectResponse', words, spoil))
    }

    it('refuses a host with a head of 100 KiB', () =>
      refuses(
        suite.current,
        'http-01',
        'connection',
        /could not be asked/,
        answering((outgoing) => {
          outgoing.writeHead(200, { 'x-long': 'x'.repeat(100_000) }).end()
        }),
      ))

    it('refuses a host that hangs up', () =>
      refuses(
        suite.current,
        'http-01',
        'connection',
        /could not be asked/,
        answering((outgoing) => outgoing.destroy()),
      ))

    it('does not wait for a host that drips', async () => {
      const { options, dns, http } = suite.current
      await using acme = await createAcme({ ...options, validationTimeoutMs: 300 })
      const fixture = { ...suite.current, acme }
      const driver = await registered(fixture)
      dns.set('drips.a.test', 'A', '127.0.0.1')
      http.handlers.set('drips.a.test', (_, outgoing) => {
        outgoing.write('x')
        const timer = setInterval(() => outgoing.write('x'), 50)
        outgoing.on('close', () => clearInterval(timer))
      })
      const order = await driver.order(['drips.a.test'])
      const authorization = await driver.post(order.textAt('authorizations.0'))
      const url = arrange(fixture, driver, authorization, 'http-01')
      await driver.post(url, {})
      await acme.settled()
      const decided = await driver.post(url)
      assert.match(decided.textAt('error.detail'), /did not answer in time/)
    })

    it('never asks an address outside of its networks, nor one in disguise', async () => {
      const { dns, http } = suite.current
      const asked = http.requests.length
      for (const [type, address] of [
        ['A', '10.0.0.1'],
        ['A', '0.0.0.0'],
        ['A', '169.254.169.254'],
        ['AAAA', '::1'],
        ['AAAA', 'fe80::1'],
        ['AAAA', '64:ff9b::7f00:1'],
      ] as const) {
        await refuses(suite.current, 'http-01', 'connection', /outside of the networks/, (name) => {
          dns.set(name, 'A')
          dns.set(name, type, address)
        })
      }
      assert.equal(http.requests.length, asked)
    })

    it('asks the one address of several that it may', async () => {
      const decided = await validate(suite.current, 'http-01', (name) => {
        suite.current.dns.set(name, 'A', '10.0.0.1', '127.0.0.1')
      })
      assert.equal(decided.at('status'), 'valid', decided.text)
    })

    for (const [name, words, spoil] of [
      ['has no address', /has no address/, (host: string) => suite.current.dns.set(host, 'A')],
      [
        'is refused by the resolver',
        /could not be looked up/,
        (host: string) => suite.current.dns.fail(host, 5),
      ],
      [
        'breaks the resolver',
        /could not be looked up/,
        (host: string) => suite.current.dns.fail(host, 2),
      ],
    ] as const) {
      it(`says so where a name ${name}`, () =>
        refuses(suite.current, 'http-01', 'dns', words, spoil))
    }
  })

  it('tries again where a host may only be late', async () => {
    const { options, dns, http } = suite.current
    await using acme = await createAcme({ ...options, retryPausesMs: [1, 1] })
    const fixture = { ...suite.current, acme }
    const driver = await registered(fixture)
    let asked = 0
    dns.set('late.a.test', 'A', '127.0.0.1')
    const order = await driver.order(['late.a.test'])
    const authorization = await driver.post(order.textAt('authorizations.0'))
    const url = arrange(fixture, driver, authorization, 'http-01')
    const token = tokenOf(authorization, 'http-01')
    http.handlers.set('late.a.test', (_, outgoing) => {
      if (++asked < 3) outgoing.destroy()
      else outgoing.end(driver.keyAuthorization(token))
    })
    await driver.post(url, {})
    await acme.settled()
    assert.deepEqual([asked, (await driver.post(url)).at('status')], [3, 'valid'])
  })

  it('stops asking for an account whose validations fail, for an hour', async () => {
    const { options } = suite.current
    await using acme = await createAcme({ ...options, limits: { failedValidations: 2 } })
    const fixture = { ...suite.current, acme }
    const driver = await registered(fixture)
    const problems: (string | undefined)[] = []
    for (const name of ['f1.a.test', 'f2.a.test', 'f3.a.test']) {
      const order = await driver.order([name])
      const authorization = await driver.post(order.textAt('authorizations.0'))
      const begun = await driver.post(authorization.textAt('challenges.0.url'), {})
      problems.push(begun.problem)
      await acme.settled()
    }
    assert.deepEqual(problems, [undefined, undefined, 'rateLimited'])
  })

  it('asks many hosts, no more than sixteen at a time', async () => {
    const { http } = suite.current
    const driver = await registered(suite.current)
    const names = Array.from({ length: 40 }, (_, at) => `many-${at}.a.test`)
    let open = 0
    let most = 0
    const order = await driver.order(names)
    const urls: string[] = []
    for (const index of names.keys()) {
      const authorization = await driver.post(order.textAt(`authorizations.${index}`))
      urls.push(arrange(suite.current, driver, authorization, 'http-01'))
      const token = tokenOf(authorization, 'http-01')
      http.handlers.set(authorization.textAt('identifier.value'), (_, outgoing) => {
        most = Math.max(most, ++open)
        setTimeout(() => {
          open--
          outgoing.end(driver.keyAuthorization(token))
        }, 5)
      })
    }
    for (const url of urls) await driver.post(url, {})
    await suite.current.acme.settled()
    const done = await driver.post(order.headers.get('location') ?? '')
    assert.equal(done.at('status'), 'ready', done.text)
    assert.ok(most <= 16, `${most}`)
  })

  it('told nobody of faults of its own', async () => {
    const driver = await registered(suite.current)
    assert.equal((await obtain(suite.current, driver, ['last.a.test'])).at('status'), 'valid')
    assert.deepEqual(suite.current.faults, [])
  })
})

/** A host with a certificate of the authority. */
async function trustedHost(
  authority: Authority,
  answers: ReadonlyMap<string, string>,
): Promise<AsyncDisposable & { readonly port: number }> {
  const key = PrivateKey.generateSync('p256')
  const { chain } = await authority.issue({
    names: ['secure.a.test'],
    publicKey: key.publicKey,
    profile: 'server',
    requester: 'test',
  })
  const cert = chain.map(({ pem }) => pem).join('')
  const server = createHttpsServer({ cert, key: key.toPem() }, (incoming, outgoing) => {
    outgoing.end(answers.get(incoming.url ?? ''))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** Writes for as long as the other side reads, up to 1 GB. */
function flood(outgoing: ServerResponse): void {
  const piece = Buffer.alloc(65_536, 'x')
  let left = 16_384
  const write = (): void => {
    while (left-- > 0 && !outgoing.destroyed) if (!outgoing.write(piece)) return
    outgoing.end()
  }
  outgoing.on('drain', write)
  write()
}
