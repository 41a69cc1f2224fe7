import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, describe, it } from 'node:test'
import { connect } from 'node:tls'
import { type ReloadOutcome, serve, type ServeOptions, type Server } from '@countersign/server'
import {
  requireTool,
  runCommand,
  scrubProcess,
  temporaryFolder,
  testAuthority,
} from '@countersign/testkit'
import {
  buildCertificate,
  Name,
  OcspRequest,
  OcspResponse,
  PrivateKey,
  verifyOcsp,
} from '@countersign/x509'

scrubProcess()

const folder = temporaryFolder(after)
const authority = testAuthority()
const { roots } = authority.write(folder)
const HOUR = 3_600_000

/** A responder of the authority: what it says can be set. */
class Responder implements AsyncDisposable {
  status: 'good' | 'revoked' | 'unknown' = 'good'
  lives = HOUR
  /** How long ago its answers were made, milliseconds. */
  age = 60_000
  asked = 0
  body: Uint8Array | undefined
  readonly #server = createServer((request, response) => {
    this.asked++
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => response.end(this.body ?? this.#answer(Buffer.concat(parts))))
  })

  static async start(): Promise<Responder> {
    const responder = new Responder()
    responder.#server.listen(0, '127.0.0.1')
    await once(responder.#server, 'listening')
    const address: AddressInfo | string | null = responder.#server.address()
    assert.ok(address !== null && typeof address === 'object')
    responder.url = `http://127.0.0.1:${address.port}/ocsp`
    return responder
  }

  /** Also once it is closed. */
  url = ''

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

  #answer(body: Buffer): Uint8Array {
    const { ids } = OcspRequest.parse(new Uint8Array(body))
    const times = {
      thisUpdate: new Date(Date.now() - this.age),
      nextUpdate: new Date(Date.now() + this.lives),
    }
    const { status } = this
    const answers = ids.map((id) =>
      status === 'revoked'
        ? { id, status, date: times.thisUpdate, ...times }
        : { id, status, ...times },
    )
    const { issuer, issuerKey } = authority
    return OcspResponse.build({ issuer, answers }, issuerKey.signer()).der
  }
}

function identity(names: readonly string[], ocsp?: string): { cert: string; key: string } {
  const key = PrivateKey.generateSync('p256')
  const certificate = buildCertificate(
    {
      subject: Name.from({}),
      issuer: authority.issuer.subject,
      publicKey: key.publicKey,
      notBefore: new Date(Date.now() - HOUR),
      notAfter: new Date(Date.now() + 24 * HOUR),
      subjectAltNames: names.map((value) => ({ type: 'dns', value }) as const),
      keyUsage: ['digitalSignature'],
      extendedKeyUsage: ['serverAuth'],
      authorityKeyId: authority.issuerKey.publicKey.keyId(),
      ...(ocsp === undefined ? {} : { authorityInfoAccess: { ocsp: [ocsp] } }),
    },
    authority.issuerKey.signer(),
  )
  return { cert: certificate.pem + authority.issuerPem, key: key.toPem() }
}

async function start(options: ServeOptions, reports: ReloadOutcome[] = []): Promise<Server> {
  return serve(() => new Response('in'), {
    staple: true,
    onReload: (outcome) => reports.push(outcome),
    ...options,
  })
}

/** What a client is stapled that asks for it. */
async function stapleOf(server: Server, servername = 'localhost'): Promise<Uint8Array | undefined> {
  const socket = connect({
    host: '127.0.0.1',
    port: server.port,
    ca: authority.rootPem,
    servername,
    requestOCSP: true,
  })
  const [answer]: (Buffer | null)[] = await once(socket, 'OCSPResponse')
  await once(socket, 'secureConnect')
  socket.destroy()
  return answer === null || answer === undefined ? undefined : new Uint8Array(answer)
}

function codesOf(reports: readonly ReloadOutcome[]): unknown[] {
  return reports.map((one) =>
    !one.ok && one.error instanceof Error && 'code' in one.error ? one.error.code : 'ok',
  )
}

describe('OCSP stapling', () => {
  it('sends what the responder says, which convinces a client', async () => {
    await using responder = await Responder.start()
    await using server = await start(identity(['localhost'], responder.url))
    const response = await stapleOf(server)
    assert.ok(response !== undefined && server.certificate !== undefined)
    const { certificate } = server
    assert.equal(verifyOcsp({ response, certificate, issuer: authority.issuer }).status, 'good')
    // Asked once, however many clients come.
    await stapleOf(server)
    assert.equal(responder.asked, 1)
  })

  it('is what openssl calls good', async (t) => {
    const openssl = requireTool(t, 'openssl')
    if (openssl === undefined) return
    await using responder = await Responder.start()
    await using server = await start(identity(['localhost'], responder.url))
    const { stdout } = await runCommand(
      openssl,
      [
        's_client',
        '-connect',
        `127.0.0.1:${server.port}`,
        '-servername',
        'localhost',
        '-status',
        '-CAfile',
        roots,
      ],
      { input: '' },
    )
    assert.match(stdout, /OCSP Response Status: successful/)
    assert.match(stdout, /Cert Status: good/)
    assert.match(stdout, /Verify return code: 0 \(ok\)/)
  })

  it('sends nothing that would convince nobody', async () => {
    await using responder = await Responder.start()
    const reports: ReloadOutcome[] = []
    const settings = identity(['localhost'], responder.url)
    await using before = await start(settings)
    const forged = await stapleOf(before)
    assert.ok(forged !== undefined)
    // The last byte of the signature.
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
    responder.body = forged
    await using server = await start(settings, reports)
    assert.deepEqual(codesOf(reports), ['staple-refused'])
    assert.equal(await stapleOf(server), undefined)
    for (const [change, code] of [
      [{ status: 'unknown', body: undefined }, 'staple-refused'],
      [{ status: 'revoked' }, 'staple-refused'],
      [{ status: 'good', lives: -1000 }, 'staple-refused'],
      [{ lives: HOUR, body: new Uint8Array([1, 2]) }, 'staple-refused'],
      [{ body: OcspResponse.refusal('tryLater').der }, 'staple-refused'],
      [{ body: new Uint8Array(100_000) }, 'staple-unavailable'],
    ] as const) {
      Object.assign(responder, change)
      reports.length = 0
      await server.refresh()
      assert.equal(await stapleOf(server), undefined)
      assert.deepEqual(codesOf(reports), [code])
      await server.refresh()
      assert.equal(reports.length, 1)
    }
    responder.body = undefined
    await server.refresh()
    assert.ok(await stapleOf(server))
  })

  it('goes on with the last good answer until its end, but not once it is revoked', async () => {
    let now = new Date()
    await using responder = await Responder.start()
    await using server = await start({
      ...identity(['localhost'], responder.url),
      clock: () => now,
    })
    responder.body = new Uint8Array()
    await server.refresh()
    assert.ok(await stapleOf(server))
    now = new Date(now.getTime() + HOUR + 60_000)
    assert.equal(await stapleOf(server), undefined)
    now = new Date()
    responder.body = undefined
    await server.refresh()
    const good = await stapleOf(server)
    assert.ok(good)
    Object.assign(responder, { status: 'revoked', age: 1000 })
    await server.refresh()
    assert.equal(await stapleOf(server), undefined)
    // Nor with one that somebody has kept and sends again.
    responder.body = good
    await server.refresh()
    assert.equal(await stapleOf(server), undefined)
  })

  it('is one for each host, and follows a reload', async () => {
    await using responder = await Responder.start()
    const { url } = responder
    await using server = await start({
      ...identity(['localhost'], url),
      hosts: { 'other.test': identity(['other.test'], url) },
    })
    const [main, other] = [await stapleOf(server), await stapleOf(server, 'other.test')]
    assert.ok(main !== undefined && other !== undefined)
    assert.notDeepEqual(main, other)
    assert.equal(responder.asked, 2)
    await server.reload(identity(['localhost'], url))
    const renewed = await stapleOf(server)
    assert.ok(renewed !== undefined)
    assert.notDeepEqual(renewed, main)
    assert.equal(responder.asked, 3)
  })

  it('asks the responder that is given, and says where there is none', async () => {
    await using responder = await Responder.start()
    const reports: ReloadOutcome[] = []
    const plain = identity(['localhost'])
    await using given = await start({ ...plain, staple: { url: responder.url } }, reports)
    assert.ok(await stapleOf(given))
    assert.deepEqual(codesOf(reports), [])
    await using without = await start(plain, reports)
    assert.equal(await stapleOf(without), undefined)
    assert.deepEqual(codesOf(reports), ['staple-unavailable'])
    await responder.close()
    await using away = await start({ ...plain, staple: { url: responder.url } }, reports)
    assert.equal(await stapleOf(away), undefined)
    assert.deepEqual(codesOf(reports), ['staple-unavailable', 'staple-unavailable'])
    await assert.rejects(start({ ...plain, staple: { timeoutMs: 0 } }), { code: 'option-invalid' })
    await assert.rejects(start({ staple: true }), { code: 'option-conflict' })
  })
})
