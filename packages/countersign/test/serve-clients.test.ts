/** `countersign serve` with the programs that people call it by: openssl, Python, a browser. curl is in `serve.test.ts`. */
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import {
  browserForTests,
  outsidePython,
  outsideTool,
  type RunningCommand,
  runCommand,
  scrubProcess,
  skipWithout,
  skipWithoutPython,
  startProgram,
  temporaryFolder,
} from '@countersign/testkit'
import { type IdentityFiles, initAuthority, issue } from './identity-files.ts'

scrubProcess()
const folder = temporaryFolder(after)
const layout = path.join(folder, 'layout')
const roots = path.join(layout, 'ca.crt')
const clientPem = path.join(layout, 'client', 'client.pem')
const PAGE = '<!doctype html><title>Top-level</title><h1>Top-level content</h1>\n'
let server: IdentityFiles

/** The layout of the document: ca.crt, server.crt, server.key, client/client.pem (S8). */
before(async () => {
  mkdirSync(path.join(layout, 'site'), { recursive: true })
  mkdirSync(path.join(layout, 'client'))
  writeFileSync(path.join(layout, 'site', 'index.html'), PAGE)
  const data = await initAuthority(folder)
  server = await issue(data, folder, 'localhost')
  const client = await issue(data, folder, 'alice', '--client')
  copyFileSync(server.certificate, path.join(layout, 'server.crt'))
  copyFileSync(server.key, path.join(layout, 'server.key'))
  copyFileSync(server.roots, roots)
  writeFileSync(
    clientPem,
    readFileSync(client.certificate, 'utf8') + readFileSync(client.key, 'utf8'),
  )
})

interface Running extends AsyncDisposable {
  readonly port: string
  readonly command: RunningCommand
}

async function start(env: Record<string, string>, ...args: string[]): Promise<Running> {
  const command = startProgram(['serve', 'site', ...args], {
    env: { API_PORT: '0', ...env },
    cwd: layout,
  })
  const [, url = ''] = await command.waitForOutput(/listening on (\S+)/)
  return {
    port: new URL(url).port,
    command,
    [Symbol.asyncDispose]: async () => command[Symbol.asyncDispose](),
  }
}

const HTTPS = { HTTPS_ENABLED: 'true' }
const MUTUAL = { HTTPS_ENABLED: 'true', VERIFY_USER: 'true' }

describe('openssl s_client', { skip: skipWithout('openssl') }, () => {
  const openssl = outsideTool('openssl') ?? ''
  const get = async (port: string, ...args: string[]) =>
    runCommand(
      openssl,
      ['s_client', '-quiet', '-connect', `127.0.0.1:${port}`, '-servername', 'localhost']
        .concat(['-CAfile', roots, '-verify_return_error', '-verify_hostname', 'localhost'])
        .concat(args),
      { input: 'GET / HTTP/1.0\r\nHost: localhost\r\n\r\n' },
    )

  it('S1, A8: reads the page over HTTPS; S7: not by an old version', async () => {
    await using running = await start(HTTPS)
    const { stdout, stderr } = await get(running.port, '-ign_eof')
    assert.ok(stdout.includes(PAGE), stderr)
    const old = await get(running.port, '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0')
    assert.notEqual(old.code, 0)
    assert.doesNotMatch(old.stdout, /Top-level/)
  })

  it('S5, S8: reads it over mutual TLS with the client of the layout, and is told why without', async () => {
    await using running = await start(MUTUAL)
    const known = await get(running.port, '-ign_eof', '-cert', clientPem, '-cert_chain', clientPem)
    assert.ok(known.stdout.includes(PAGE), known.stderr)
    const stranger = await get(running.port, '-ign_eof')
    assert.match(stranger.stdout, /^HTTP\/1\.1 403/)
    assert.match(stranger.stdout, /no-client-certificate/)
  })

  it('S6: finds the defects of the document’s recipe mended', async () => {
    const { stdout } = await runCommand(openssl, [
      'x509',
      '-in',
      server.certificate,
      '-noout',
      '-text',
    ])
    assert.match(stdout, /Version: 3 \(0x2\)/)
    assert.match(stdout, /X509v3 Subject Alternative Name:[^\n]*\n\s+DNS:localhost/)
    assert.match(stdout, /X509v3 Authority Key Identifier/)
    const chain = ['verify', '-x509_strict', '-CAfile', roots, '-untrusted', server.certificate]
    const verified = await runCommand(openssl, [...chain, server.certificate])
    assert.equal(verified.code, 0, verified.stderr)
  })
})

/** GETs a page; prints status and body, or the error. */
const PYTHON = `
import http.client, json, ssl, sys
scheme, port, roots, client = sys.argv[1:5]
try:
    if scheme == 'http':
        connection = http.client.HTTPConnection('localhost', int(port), timeout=30)
    else:
        context = ssl.create_default_context(cafile=roots)
        if client != '-': context.load_cert_chain(client)
        connection = http.client.HTTPSConnection('localhost', int(port), timeout=30, context=context)
    connection.request('GET', '/')
    answer = connection.getresponse()
    print(json.dumps([answer.status, answer.read().decode()]))
    connection.close()
except Exception as error:
    print(json.dumps([0, str(error)]))
`

describe('python3', { skip: skipWithoutPython() }, () => {
  // The strictest there is: 3.13 refuses what OpenSSL alone lets pass.
  const python = outsidePython({ strict: true }) ?? outsidePython() ?? ''
  const get = async (scheme: 'http' | 'https', port: string, trust = roots, client = '-') => {
    const { stdout, stderr } = await runCommand(python, ['-c', PYTHON, scheme, port, trust, client])
    assert.notEqual(stdout, '', stderr)
    const [status, body]: [number, string] = JSON.parse(stdout)
    return { status, body }
  }

  it('S1: reads the page over HTTP', async () => {
    await using running = await start({})
    assert.deepEqual(await get('http', running.port), { status: 200, body: PAGE })
  })

  it('S1, S6, A8: over HTTPS; S4: and not over HTTP on the same port', async () => {
    await using running = await start(HTTPS)
    assert.deepEqual(await get('https', running.port), { status: 200, body: PAGE })
    const plain = await get('http', running.port)
    assert.equal(plain.status, 308)
    assert.doesNotMatch(plain.body, /Top-level/)
  })

  it('S5, S8: over mutual TLS with the client of the layout alone', async () => {
    await using running = await start(MUTUAL)
    assert.deepEqual(await get('https', running.port, roots, clientPem), {
      status: 200,
      body: PAGE,
    })
    const stranger = await get('https', running.port)
    assert.equal(stranger.status, 403)
    assert.match(stranger.body, /no-client-certificate/)
  })

  it('S2: with the root that --adhoc printed', async () => {
    await using running = await start({}, '--adhoc')
    const [pem] = await running.command.waitForOutput(/-----BEGIN[^]+-----END CERTIFICATE-----/)
    const printed = path.join(folder, 'adhoc.pem')
    writeFileSync(printed, `${pem}\n`)
    assert.deepEqual(await get('https', running.port, printed), { status: 200, body: PAGE })
    assert.equal((await get('https', running.port)).status, 0)
  })
})

describe('a browser', () => {
  it('S1, A8: shows the page over HTTPS; S4: and goes there from HTTP', async (t) => {
    const started = await browserForTests(t, { roots: [readFileSync(roots, 'utf8')] })
    if (started === undefined) return
    await using running = await start(HTTPS)
    const page = await started.browser.newPage()
    const url = `https://localhost:${running.port}/`
    assert.equal((await page.goto(url))?.status(), 200)
    assert.equal(await page.getByRole('heading').innerText(), 'Top-level content')
    await page.goto(url.replace('https:', 'http:'))
    assert.equal(page.url(), url)
  })

  it('S5: is told by mutual TLS that it has no certificate', async (t) => {
    const started = await browserForTests(t, { roots: [readFileSync(roots, 'utf8')] })
    if (started === undefined) return
    await using running = await start(MUTUAL)
    const page = await started.browser.newPage()
    const response = await page.goto(`https://localhost:${running.port}/`)
    assert.equal(response?.status(), 403)
    assert.match(await page.content(), /no-client-certificate/)
  })
})
