import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import {
  type RunningCommand,
  runCommand,
  runProgram,
  skipWithout,
  startProgram,
  temporaryFolder,
  testAuthority,
} from '@countersign/testkit'
import { type IdentityFiles, initAuthority, issue } from './identity-files.ts'

const PAGE = 'Top-level content\n'

const folder = temporaryFolder(after)
const site = path.join(folder, 'site')
let server: IdentityFiles
let client: IdentityFiles

before(async () => {
  mkdirSync(site)
  writeFileSync(path.join(site, 'index.html'), PAGE)
  const data = await initAuthority(folder)
  server = await issue(data, folder, 'localhost')
  writeFileSync(path.join(folder, 'password'), 'changeit\n')
  client = await issue(
    data,
    folder,
    'alice',
    '--client',
    '--p12',
    '--password-file',
    path.join(folder, 'password'),
  )
})

/** Starts `countersign serve` in `cwd` and waits until it listens. */
async function startServe(
  env: Record<string, string>,
  ...args: string[]
): Promise<{ command: RunningCommand; url: string; port: string }> {
  const command = startProgram(['serve', site, ...args], {
    env: { API_PORT: '0', ...env },
    cwd: folder,
  })
  const [, url = ''] = await command.waitForOutput(/listening on (\S+)/)
  return { command, url, port: new URL(url).port }
}

/** Writes a file of these tests. */
function at(name: string, text: string): string {
  const file = path.join(folder, name)
  writeFileSync(file, text)
  return file
}

async function curl(
  ...args: string[]
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return await runCommand('curl', ['-sS', '--max-time', '30', ...args])
}

describe('SEEDS S1: the mode is chosen by two switches', { skip: skipWithout('curl') }, () => {
  it('neither: HTTP', async () => {
    const { command, url, port } = await startServe({
      HTTPS_ENABLED: 'false',
      VERIFY_USER: 'false',
    })
    await using _ = command
    assert.match(url, /^http:/)
    assert.equal((await curl(`http://127.0.0.1:${port}/`)).stdout, PAGE)
  })

  it('HTTPS_ENABLED: HTTPS, and S4: plain HTTP on that port does not get the page', async () => {
    const { command, port } = await startServe({
      HTTPS_ENABLED: 'true',
      API_CRT: server.certificate,
      API_KEY: server.key,
    })
    await using _ = command
    const page = await curl('--cacert', server.roots, `https://localhost:${port}/`)
    assert.equal(page.stdout, PAGE, page.stderr)
    const plain = await curl('-i', `http://localhost:${port}/`)
    assert.match(plain.stdout, /^HTTP\/1\.1 308 /)
    assert.doesNotMatch(plain.stdout, /Top-level/)
  })

  it('a switch that is neither true nor false stops the start', async () => {
    const { code, stderr } = await runProgram(['serve', site], { env: { HTTPS_ENABLED: 'maybe' } })
    assert.equal(code, 2)
    assert.match(stderr, /HTTPS_ENABLED is "maybe"/)
  })

  it('VERIFY_USER without HTTPS_ENABLED stops the start', async () => {
    const { code, stderr } = await runProgram(['serve', site], { env: { VERIFY_USER: 'true' } })
    assert.equal(code, 2)
    assert.match(stderr, /HTTPS_ENABLED=true/)
  })
})

describe('SEEDS S2: adhoc', { skip: skipWithout('curl') }, () => {
  it('makes a certificate that curl verifies with the root it prints', async () => {
    const { command, port } = await startServe({}, '--adhoc')
    await using _ = command
    const [root] = await command.waitForOutput(
      /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/,
    )
    const file = path.join(folder, 'adhoc.pem')
    writeFileSync(file, `${root}\n`)
    for (const host of ['localhost', '127.0.0.1']) {
      const { stdout, stderr } = await curl('--cacert', file, `https://${host}:${port}/`)
      assert.equal(stdout, PAGE, stderr)
    }
  })
})

describe('SEEDS S3: a missing certificate or key stops the start', () => {
  const cases: [string, () => Record<string, string>, RegExp][] = [
    [
      'no certificate file',
      () => ({ API_CRT: 'nowhere.crt', API_KEY: server.key }),
      /nowhere\.crt/,
    ],
    [
      'no key file',
      () => ({ API_CRT: server.certificate, API_KEY: 'nowhere.key' }),
      /nowhere\.key/,
    ],
    [
      'the key of another certificate',
      () => ({ API_CRT: server.certificate, API_KEY: client.key }),
      /key/,
    ],
    [
      'a certificate as key',
      () => ({ API_CRT: server.certificate, API_KEY: server.certificate }),
      /key/,
    ],
  ]
  for (const [name, env, words] of cases) {
    it(name, async () => {
      const { code, stderr } = await runProgram(['serve', site], {
        env: { HTTPS_ENABLED: 'true', API_PORT: '0', ...env() },
        cwd: folder,
      })
      assert.equal(code, 1)
      assert.match(stderr, words)
      assert.match(stderr, /hint:/)
      assert.doesNotMatch(stderr, /\n\s+at /)
    })
  }
})

describe('SEEDS S5: mutual TLS', { skip: skipWithout('curl') }, () => {
  let running: Awaited<ReturnType<typeof startServe>>
  before(async () => {
    running = await startServe({
      HTTPS_ENABLED: 'true',
      VERIFY_USER: 'true',
      API_CRT: server.certificate,
      API_KEY: server.key,
      API_CA_T: server.roots,
    })
  })
  after(async () => {
    await running.command[Symbol.asyncDispose]()
  })
  const call = async (...args: string[]) =>
    curl('--cacert', server.roots, `https://localhost:${running.port}/`, ...args)

  it('curl with the PEM of the client gets the page', async () => {
    const pem = path.join(folder, 'client.pem')
    writeFileSync(pem, readFileSync(client.certificate, 'utf8') + readFileSync(client.key, 'utf8'))
    const { stdout, stderr } = await call('-E', pem)
    assert.equal(stdout, PAGE, stderr)
  })

  it('curl with the PKCS#12 of the client gets the page', async () => {
    const { stdout, stderr } = await call(
      '--cert-type',
      'P12',
      '--cert',
      `${client.pkcs12}:changeit`,
    )
    assert.equal(stdout, PAGE, stderr)
  })

  it('curl without a certificate does not, and is told why', async () => {
    const { stdout } = await call()
    assert.doesNotMatch(stdout, /Top-level/)
    assert.equal(JSON.parse(stdout).code, 'no-client-certificate')
    await running.command.waitForOutput(/refused 127\.0\.0\.1/)
  })

  it('get without a certificate says how to learn more, and explain that one is required', async () => {
    const url = `localhost:${running.port}`
    const trust = ['--ca', server.roots]
    const got = await runProgram(['get', `https://${url}/`, ...trust])
    assert.equal(got.code, 4, got.stderr)
    assert.match(got.stderr, new RegExp(`^more:  countersign explain ${url} --ca `, 'm'))
    const json = await runProgram(['get', `https://${url}/`, ...trust, '--json'])
    assert.match(JSON.parse(json.stdout).more, /^countersign explain /)
    const explained = await runProgram(['explain', url, ...trust, '--json'])
    assert.equal(explained.code, 4, explained.stderr)
    const { code, clientCertificates } = JSON.parse(explained.stdout)
    assert.equal(code, 'server-refused-client-cert')
    assert.equal(clientCertificates.demand, 'required')
    const identity = ['--cert', client.certificate, '--key', client.key]
    const known = await runProgram(['explain', url, ...trust, ...identity, '--json'])
    assert.equal(known.code, 0, known.stdout)
    assert.equal(JSON.parse(known.stdout).clientCertificates.accepted, true)
    const served = await runProgram(['get', `https://${url}/`, ...trust, ...identity])
    assert.equal(served.stdout, PAGE)
    assert.doesNotMatch(served.stderr, /more:/)
  })

  it('curl with a certificate of another authority does not, and the log says why', async () => {
    const other = testAuthority()
    const { chainPem, keyPem } = other.issue({ names: ['mallory'], client: true })
    const pem = path.join(folder, 'untrusted.pem')
    writeFileSync(pem, chainPem + keyPem)
    const { stdout } = await call('-E', pem)
    assert.doesNotMatch(stdout, /Top-level/)
    await running.command.waitForOutput(
      /refused 127\.0\.0\.1: .*signed by .*no authority that this server accepts/i,
    )
  })

  it('curl with a certificate of the server profile does not', async () => {
    const pem = path.join(folder, 'wrong-purpose.pem')
    writeFileSync(pem, readFileSync(server.certificate, 'utf8') + readFileSync(server.key, 'utf8'))
    assert.doesNotMatch((await call('-E', pem)).stdout, /Top-level/)
  })
})

describe('SEEDS S5: --strict', { skip: skipWithout('curl') }, () => {
  it('ends curl in the handshake, as the document shows it', async () => {
    const { command, port } = await startServe(
      {
        HTTPS_ENABLED: 'true',
        VERIFY_USER: 'true',
        API_CRT: server.certificate,
        API_KEY: server.key,
        API_CA_T: server.roots,
      },
      '--strict',
    )
    await using _ = command
    const { code, stdout } = await curl('--cacert', server.roots, `https://localhost:${port}/`)
    assert.notEqual(code, 0)
    assert.equal(stdout, '')
    await command.waitForOutput(/refused 127\.0\.0\.1: the client presented no certificate/)
  })
})

describe('serve follows its files', { skip: skipWithout('curl') }, () => {
  it('serves a new certificate, and keeps the old one while the files do not fit', async () => {
    const authority = testAuthority()
    const first = authority.issue({ names: ['localhost'] })
    const second = authority.issue({ names: ['localhost', 'second.corp.internal'] })
    const certificate = at('w-server.crt', first.chainPem)
    const key = at('w-server.key', first.keyPem)
    const roots = at('w-roots.pem', authority.rootPem)
    const { command, port } = await startServe({ API_CRT: certificate, API_KEY: key }, '--https')
    await using _ = command
    at('w-server.crt', second.chainPem)
    await command.waitForOutput(/not reloaded, going on as before: .*key/)
    at('w-server.key', second.keyPem)
    await command.waitForOutput(/reloaded certificate; the certificate is valid until 20/)
    const to = ['--resolve', `second.corp.internal:${port}:127.0.0.1`]
    const url = `https://second.corp.internal:${port}/`
    const { stdout, stderr } = await curl('--cacert', roots, ...to, url)
    assert.equal(stdout, PAGE, stderr)
  })

  it('refuses what makes no sense', async () => {
    for (const [args, words] of [
      [['--proxy-from', 'nobody'], /--proxy-from: .*no address and no network/],
      [['--block', '1.2.3'], /--block: "1\.2\.3" is no address and no network/],
      [['--https', '--ask-user', '--crl-grace', 'soon'], /soon/],
    ] as const) {
      const { code, stderr } = await runProgram(['serve', site, ...args], {
        env: {
          API_PORT: '0',
          API_CRT: server.certificate,
          API_KEY: server.key,
          API_CA_T: server.roots,
        },
        cwd: folder,
      })
      assert.notEqual(code, 0)
      assert.match(stderr, words)
    }
  })
})

describe('SEEDS S5: an expired client', { skip: skipWithout('curl') }, () => {
  it('does not get the page, and the log says that it has expired', async () => {
    const authority = testAuthority()
    const identity = authority.issue({ names: ['localhost'] })
    const expired = authority.issue({
      names: ['alice'],
      client: true,
      notBefore: new Date(Date.now() - 7_200_000),
      notAfter: new Date(Date.now() - 3_600_000),
    })
    const roots = at('x-roots.pem', authority.rootPem)
    const { command, port } = await startServe({
      HTTPS_ENABLED: 'true',
      VERIFY_USER: 'true',
      API_CRT: at('x-server.crt', identity.chainPem),
      API_KEY: at('x-server.key', identity.keyPem),
      API_CA_T: roots,
    })
    await using _ = command
    const pem = at('x-expired.pem', expired.chainPem + expired.keyPem)
    const { stdout } = await curl('--cacert', roots, '-E', pem, `https://localhost:${port}/`)
    assert.doesNotMatch(stdout, /Top-level/)
    await command.waitForOutput(/refused 127\.0\.0\.1: .*expired/i)
  })
})

describe('SEEDS S8: the layout ca.crt, server.crt, server.key, client/client.pem', {
  skip: skipWithout('curl'),
}, () => {
  it('is taken as it is, without naming a file', async () => {
    const layout = path.join(folder, 'layout')
    mkdirSync(path.join(layout, 'client'), { recursive: true })
    copyFileSync(server.roots, path.join(layout, 'ca.crt'))
    copyFileSync(server.certificate, path.join(layout, 'server.crt'))
    copyFileSync(server.key, path.join(layout, 'server.key'))
    const pem = path.join(layout, 'client', 'client.pem')
    writeFileSync(pem, readFileSync(client.certificate, 'utf8') + readFileSync(client.key, 'utf8'))
    await using command = startProgram(['serve', site], {
      env: { HTTPS_ENABLED: 'true', VERIFY_USER: 'true', API_PORT: '0' },
      cwd: layout,
    })
    const [, url = ''] = await command.waitForOutput(/listening on (https:\/\/localhost:\d+)/)
    const { stdout, stderr } = await curl(
      '--cacert',
      path.join(layout, 'ca.crt'),
      '-E',
      pem,
      `${url}/`,
    )
    assert.equal(stdout, PAGE, stderr)
  })

  it('is not served itself: the folder holds the key', async () => {
    const { code, stderr } = await runProgram(['serve', '.'], {
      env: { HTTPS_ENABLED: 'true', API_PORT: '0' },
      cwd: path.join(folder, 'layout'),
    })
    assert.equal(code, 2)
    assert.match(stderr, /holds the server's key/)
  })
})
