/** An ACME server for tests, with a name server and hosts that answer challenges on 127.0.0.1. */
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { after, before } from 'node:test'
import {
  type Acme,
  type AcmeOptions,
  type Authority,
  createAcme,
  type InitAuthorityOptions,
  initAuthority,
} from '@countersign/authority'
import { openStore, type Store } from '@countersign/store'
import { startDnsServer, temporaryFolder, type TestDnsServer } from '@countersign/testkit'
import {
  Certificate,
  type CertificateRequest,
  createRequest,
  Name,
  parseGeneralName,
  PrivateKey,
} from '@countersign/x509'
import { type Answer, Driver } from './acme-driver.ts'
import {
  challengeContext,
  type HttpHost,
  startHttpHost,
  startTlsHost,
  type TlsHost,
} from './acme-hosts.ts'

/** What a suite works on. */
export interface AcmeFixture {
  readonly authority: Authority
  readonly store: Store
  readonly folder: string
  readonly acme: Acme
  readonly dns: TestDnsServer
  readonly http: HttpHost
  readonly tls: TlsHost
  /** What went wrong without being answered. */
  readonly faults: unknown[]
  /** The options that it was made with, for another one on the same store. */
  readonly options: AcmeOptions
}

/** How it is made. */
export interface AcmeFixtureOptions {
  /** The address of an empty database. @defaultValue one in memory */
  database?: () => Promise<string>
  acme?: Partial<AcmeOptions>
  authority?: Partial<InitAuthorityOptions>
}

/** A server for all tests of a suite; call it in the suite's body. */
export function suiteAcme(options: AcmeFixtureOptions = {}): { readonly current: AcmeFixture } {
  const folder = temporaryFolder(after)
  const stack = new AsyncDisposableStack()
  let fixture: AcmeFixture | undefined
  before(async () => {
    const store = stack.use(await openStore((await options.database?.()) ?? 'sqlite::memory:'))
    const { clock } = options.acme ?? {}
    const authority = await initAuthority({ clock, ...options.authority, store, folder })
    const dns = stack.use(await startDnsServer())
    const http = stack.use(await startHttpHost())
    const tls = stack.use(await startTlsHost())
    const faults: unknown[] = []
    const made: AcmeOptions = {
      store,
      authority,
      folder,
      externalAccountRequired: false,
      allow: ['127.0.0.0/8'],
      resolver: dns.address,
      httpPort: http.port,
      tlsPort: tls.port,
      retryPausesMs: [],
      onFault: (error) => faults.push(error),
      ...options.acme,
    }
    const acme = stack.use(await createAcme(made))
    fixture = { authority, store, folder, acme, dns, http, tls, faults, options: made }
  })
  after(() => stack.disposeAsync())
  return {
    get current() {
      if (fixture === undefined) throw new Error('the suite has not begun')
      return fixture
    },
  }
}

/** A client with an account. */
export async function registered(fixture: AcmeFixture): Promise<Driver> {
  const driver = new Driver(fixture.acme)
  assert.equal((await driver.register()).status, 201)
  return driver
}

/** A request for names, with a key of its own. */
export function requestFor(names: readonly string[], commonName?: string): CertificateRequest {
  return createRequest({
    subject: commonName === undefined ? undefined : Name.from({ commonName }),
    subjectAltNames: names.map((name) => parseGeneralName(name)),
    key: PrivateKey.generateSync('p256'),
  })
}

/** A request as a client sends it. */
export function csrOf(request: CertificateRequest): { csr: string } {
  return { csr: Buffer.from(request.der).toString('base64url') }
}

/** The token of a challenge. */
export function tokenOf(authorization: Answer, type: string): string {
  return authorization.textAt(`challenges.${indexOf(authorization, type)}.token`)
}

function indexOf(authorization: Answer, type: string): number {
  const challenges = authorization.at('challenges')
  assert.ok(Array.isArray(challenges))
  const index = challenges.findIndex((one) => one.type === type)
  assert.notEqual(index, -1, `there is no ${type}`)
  return index
}

/** Puts the answer to a challenge in place. */
export function arrange(
  fixture: AcmeFixture,
  driver: Driver,
  authorization: Answer,
  type: string,
): string {
  const index = indexOf(authorization, type)
  const token = tokenOf(authorization, type)
  const value = authorization.textAt('identifier.value')
  const proof = driver.keyAuthorization(token)
  const isIp = authorization.at('identifier.type') === 'ip'
  if (!isIp) fixture.dns.set(value, 'A', '127.0.0.1')
  if (type === 'http-01') fixture.http.tokens.set(token, proof)
  if (type === 'dns-01') {
    fixture.dns.set(`_acme-challenge.${value}`, 'TXT', hash('sha256', proof, 'base64url'))
  }
  if (type === 'tls-alpn-01') {
    const context = challengeContext({ names: [parseGeneralName(value)], keyAuthorization: proof })
    const asked = isIp ? `${value.split('.').toReversed().join('.')}.in-addr.arpa` : value
    fixture.tls.contexts.set(asked, context)
  }
  return authorization.textAt(`challenges.${index}.url`)
}

/** Proves every name of an order. */
export async function prove(
  fixture: AcmeFixture,
  driver: Driver,
  order: Answer,
  type = 'http-01',
): Promise<void> {
  const urls = order.at('authorizations')
  assert.ok(Array.isArray(urls))
  for (const url of urls) {
    const authorization = await driver.post(String(url))
    if (authorization.at('status') === 'valid') continue
    const challenge = arrange(fixture, driver, authorization, type)
    const begun = await driver.post(challenge, {})
    assert.equal(begun.status, 200, begun.text)
    await fixture.acme.settled()
    const decided = await driver.post(String(url))
    assert.equal(decided.at('status'), 'valid', decided.text)
  }
}

/** Orders, proves and finalizes: the finished order. */
export async function obtain(
  fixture: AcmeFixture,
  driver: Driver,
  names: readonly string[],
  type = 'http-01',
): Promise<Answer> {
  const order = await driver.order(names)
  assert.equal(order.status, 201, order.text)
  await prove(fixture, driver, order, type)
  return await driver.post(order.textAt('finalize'), csrOf(requestFor(names)))
}

/** The certificate of an order that is valid. */
export async function leafOf(driver: Driver, order: Answer): Promise<Certificate> {
  const chain = await driver.post(order.textAt('certificate'))
  const [leaf] = Certificate.parseAll(chain.text)
  assert.ok(leaf)
  return leaf
}
