import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { describe, it } from 'node:test'
import { createAcme } from '@countersign/authority'
import { scrubProcess } from '@countersign/testkit'
import { parseGeneralName } from '@countersign/x509'
import type { Answer, Driver } from './acme-driver.ts'
import { arrange, obtain, registered, suiteAcme, tokenOf } from './acme-fixture.ts'
import { challengeContext, startTlsHost } from './acme-hosts.ts'

scrubProcess()

const suite = suiteAcme()
let count = 0

/** Validates a new name: what its challenge says in the end. */
async function validate(
  type: string,
  spoil: (name: string, driver: Driver, authorization: Answer) => void | Promise<void>,
  host?: string,
): Promise<Answer> {
  const driver = await registered(suite.current)
  const name = host ?? `host-${++count}.a.test`
  const order = await driver.order([name])
  const authorization = await driver.post(order.textAt('authorizations.0'))
  const url = arrange(suite.current, driver, authorization, type)
  await spoil(name, driver, authorization)
  await driver.post(url, {})
  await suite.current.acme.settled()
  const after = await driver.post(order.headers.get('location') ?? '')
  const decided = await driver.post(url)
  const isValid = decided.at('status') === 'valid'
  assert.equal(after.at('status'), isValid ? 'ready' : 'invalid')
  return decided
}

async function refuses(
  type: string,
  problem: string,
  words: RegExp,
  spoil: Parameters<typeof validate>[1],
): Promise<void> {
  const decided = await validate(type, spoil)
  assert.equal(decided.textAt('error.type'), `urn:ietf:params:acme:error:${problem}`, decided.text)
  assert.match(decided.textAt('error.detail'), words)
  assert.equal(decided.at('error.identifier.type'), 'dns')
}

/** Has the host of a name answer otherwise. */
const answering =
  (answer: (outgoing: ServerResponse, url: string) => void): Parameters<typeof validate>[1] =>
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
  }) satisfies Parameters<typeof validate>[1]

type Change = Partial<Parameters<typeof challengeContext>[0]>
const showing =
  (change: (name: string, right: string) => Change): Parameters<typeof validate>[1] =>
  (name, driver, authorization) => {
    const proof = driver.keyAuthorization(tokenOf(authorization, 'tls-alpn-01'))
    const right = { names: [parseGeneralName(name)], keyAuthorization: proof }
    suite.current.tls.contexts.set(name, challengeContext({ ...right, ...change(name, proof) }))
  }

/** Where the record of a name is. */
function record(name: string): string {
  return `_acme-challenge.${name}`
}

describe('ACME, hosts that are asked', () => {
  describe('http-01', () => {
    it('follows a redirect to another host on the same port', async () => {
      const { dns, http } = suite.current
      dns.set('elsewhere.a.test', 'A', '127.0.0.1')
      const decided = await validate(
        'http-01',
        redirecting((_, url) => `http://elsewhere.a.test:${http.port}${url}`),
      )
      assert.equal(decided.at('status'), 'valid', decided.text)
    })

    it('takes an answer with a line end behind it', async () => {
      const decided = await validate('http-01', (name, driver, authorization) => {
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
        await refuses('http-01', 'connection', words, spoil)
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
      it(`refuses a host ${name}`, () => refuses('http-01', 'incorrectResponse', words, spoil))
    }

    it('refuses a host with a head of 100 KiB', () =>
      refuses(
        'http-01',
        'connection',
        /could not be asked/,
        answering((outgoing) => {
          outgoing.writeHead(200, { 'x-long': 'x'.repeat(100_000) }).end()
        }),
      ))

    it('refuses a host that hangs up', () =>
      refuses(
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
        await refuses('http-01', 'connection', /outside of the networks/, (name) => {
          dns.set(name, 'A')
          dns.set(name, type, address)
        })
      }
      assert.equal(http.requests.length, asked)
    })

    it('asks the one address of several that it may', async () => {
      const decided = await validate('http-01', (name) => {
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
      it(`says so where a name ${name}`, () => refuses('http-01', 'dns', words, spoil))
    }
  })

  describe('dns-01', () => {
    it('refuses another record', () =>
      refuses('dns-01', 'incorrectResponse', /none of the 2 TXT records/, (name) => {
        suite.current.dns.set(record(name), 'TXT', 'one', 'two')
      }))
    it('refuses no record', () =>
      refuses('dns-01', 'incorrectResponse', /has no TXT record/, (name) => {
        suite.current.dns.set(record(name), 'TXT')
      }))
    it('refuses an alias of itself', () =>
      refuses('dns-01', 'dns', /alias/, (name) => {
        suite.current.dns.set(record(name), 'TXT')
        suite.current.dns.set(record(name), 'CNAME', record(name))
      }))
    it('refuses where the resolver fails', () =>
      refuses('dns-01', 'dns', /could not be looked up/, (name) => {
        suite.current.dns.fail(record(name), 2)
      }))
  })

  describe('tls-alpn-01', () => {
    for (const [name, words, change] of [
      ['an extension that is not critical', /not critical/, () => ({ critical: false })],
      ['no extension', /has no acmeIdentifier/, () => ({ value: null })],
      ['the digest of something else', /not the digest/, () => ({ keyAuthorization: 'else' })],
      ['a digest without its frame', /not the digest/, () => ({ value: new Uint8Array(32) })],
      [
        'more names',
        /not for this name alone/,
        (host: string) => ({ names: [host, 'b.test'].map(parseGeneralName) }),
      ],
      ['another name', /not for this name alone/, () => ({ names: [parseGeneralName('b.test')] })],
      ['a wildcard', /not for this name alone/, () => ({ names: [parseGeneralName('*.a.test')] })],
    ] as const) {
      it(`refuses a certificate with ${name}`, () =>
        refuses('tls-alpn-01', 'incorrectResponse', words, showing(change)))
    }

    it('refuses a host that has nothing for the name', () =>
      refuses('tls-alpn-01', 'tls', /could not be trusted|could not be asked/, (name) => {
        suite.current.tls.contexts.delete(name)
      }))

    it('refuses a host that speaks another protocol', async () => {
      await using plain = await startTlsHost(['http/1.1'])
      await using acme = await createAcme({ ...suite.current.options, tlsPort: plain.port })
      const fixture = { ...suite.current, acme, tls: plain }
      const driver = await registered(fixture)
      const order = await driver.order(['alpn.a.test'])
      const authorization = await driver.post(order.textAt('authorizations.0'))
      const url = arrange(fixture, driver, authorization, 'tls-alpn-01')
      await driver.post(url, {})
      await acme.settled()
      assert.equal((await driver.post(url)).at('status'), 'invalid')
    })
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
