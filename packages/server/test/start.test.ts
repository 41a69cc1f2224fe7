import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { nodeListener, serve, ServerError, type ServeOptions } from '@countersign/server'
import { TlsError } from '@countersign/tls'
import { CoreError } from '@countersign/core'
import { scrubProcess, temporaryFolder, testAuthority } from '@countersign/testkit'

scrubProcess()

/** The message says all there is to say. */
const PLAIN = new Set(['option-invalid', 'passphrase-wrong'])

const authority = testAuthority()
const folder = temporaryFolder(after)
const server = authority.issue({ names: ['localhost', '127.0.0.1'] })
const files = server.write(folder, 'server')
const page = (): Response => new Response('page')

function file(name: string, text: string): string {
  const made = path.join(folder, name)
  writeFileSync(made, text)
  return made
}

async function refusal(options: ServeOptions): Promise<CoreError | ServerError | TlsError> {
  const error: unknown = await serve(page, options).then(
    async (running) => {
      await running.close()
      return 'it started'
    },
    (reason: unknown) => reason,
  )
  if (error instanceof ServerError || error instanceof TlsError || error instanceof CoreError) {
    return error
  }
  return assert.fail(String(error))
}

describe('S3: a server that cannot start says which file and why', () => {
  const absent = path.join(folder, 'absent.crt')
  const other = testAuthority().issue({ names: ['localhost'] })
  const expired = authority.issue({
    names: ['localhost'],
    notBefore: new Date('2020-01-01'),
    notAfter: new Date('2020-02-01'),
  })
  const cases: [string, ServeOptions, string, RegExp][] = [
    ['no certificate', { https: true }, 'certificate-required', /https needs a certificate/],
    ['no key', { cert: file('alone.crt', server.chainPem) }, 'cert-without-key', /alone\.crt/],
    ['an absent file', { cert: absent, key: files.key }, 'cert-missing', /absent\.crt/],
    [
      'an absent key',
      { cert: files.certificate, key: path.join(folder, 'absent.key') },
      'key-missing',
      /absent\.key/,
    ],
    [
      'garbage',
      { cert: file('garbage.crt', 'hello'), key: files.key },
      'cert-malformed',
      /garbage\.crt/,
    ],
    [
      'a garbage key',
      { cert: files.certificate, key: file('garbage.key', 'hello') },
      'key-malformed',
      /garbage\.key/,
    ],
    [
      "another's key",
      { cert: files.certificate, key: file('other.key', other.keyPem) },
      'key-mismatch',
      /./,
    ],
    [
      'a wrong passphrase',
      {
        cert: files.certificate,
        key: file('encrypted.key', server.key.toPem({ passphrase: 'right', iterations: 2048 })),
        passphrase: 'wrong',
      },
      'passphrase-wrong',
      /encrypted\.key/,
    ],
    [
      'an expired certificate',
      { cert: expired.chainPem, key: expired.keyPem },
      'cert-expired',
      /2020-02-01/,
    ],
    [
      'verifyUser without ca',
      { cert: files.certificate, key: files.key, verifyUser: true },
      'client-ca-required',
      /verifyUser/,
    ],
    [
      'an empty ca',
      { cert: files.certificate, key: files.key, verifyUser: true, ca: '' },
      'ca-empty',
      /ca/,
    ],
    ['verifyUser without https', { verifyUser: true, https: false }, 'https-required', /https/],
    ['verifyUser alone', { verifyUser: true }, 'https-required', /https/],
    [
      'ca without verifyUser',
      { cert: files.certificate, key: files.key, ca: files.roots },
      'option-conflict',
      /verifyUser/,
    ],
    [
      'adhoc beside a certificate',
      { adhoc: true, cert: files.certificate, key: files.key },
      'option-conflict',
      /adhoc/,
    ],
    ['a port out of range', { port: 70_000 }, 'option-invalid', /70000/],
    ['an empty host', { host: '' }, 'option-invalid', /host/],
    ['a host elsewhere', { host: '192.0.2.1' }, 'host-not-local', /192\.0\.2\.1/],
    ['a host nobody knows', { host: 'nowhere.invalid' }, 'host-unknown', /nowhere\.invalid/],
    ['a limit that is none', { limits: { headersMs: -1 } }, 'option-invalid', /headersMs/],
  ]
  for (const [name, options, code, message] of cases) {
    it(`refuses ${name}: ${code}`, async () => {
      const error = await refusal(options)
      assert.equal(error.code, code, error.message)
      assert.match(error.message, message)
      assert.ok(error.hint !== undefined || PLAIN.has(code), `${code} has no hint`)
    })
  }

  it('refuses a port in use, by name and without a pid', async () => {
    const holder = createServer().listen(0, '127.0.0.1')
    await once(holder, 'listening')
    const address = holder.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const error = await refusal({ port })
    holder.close()
    assert.equal(error.code, 'port-in-use')
    assert.match(error.message, new RegExp(`port ${port} of 127\\.0\\.0\\.1`))
    assert.match(error.hint ?? '', /another port/)
  })

  it('refuses a misspelt option and says what was meant', async () => {
    const misspelt: object = { verifyUsr: true }
    const error = await refusal({ ...misspelt })
    assert.equal(error.code, 'option-unknown')
    assert.match(error.hint ?? '', /verifyUser/)
  })

  it('keeps the passphrase out of the message', async () => {
    const key = server.key.toPem({ passphrase: 'right', iterations: 2048 })
    const error = await refusal({ cert: server.chainPem, key, passphrase: 'sesame-12' })
    assert.equal(error.code, 'passphrase-wrong')
    assert.doesNotMatch(JSON.stringify(error) + String(error.stack), /sesame-12/)
  })
})

describe('handlers', () => {
  it('are refused where they are none', async () => {
    for (const wrong of [undefined, null, 'page', {}]) {
      // A caller without types can pass anything.
      const call: unknown = Reflect.apply(serve, undefined, [wrong, {}])
      await assert.rejects(Promise.resolve(call), { code: 'handler-invalid' })
    }
  })

  it('are refused where they are Node listeners without their mark', async () => {
    const express = Object.assign((): Response => new Response(), { handle: (): void => {} })
    await assert.rejects(serve(express), { code: 'handler-invalid', hint: /nodeListener/ })
    await using running = await serve(nodeListener((_incoming, outgoing) => outgoing.end()))
    assert.ok(running.port > 0)
  })
})
