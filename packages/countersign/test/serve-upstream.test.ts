import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { get, post } from '@countersign/client'
import {
  type CommandResult,
  outsidePython,
  outsideTool,
  type RunningCommand,
  runCommand,
  runProgram,
  scrubProcess,
  skipWithout,
  skipWithoutPython,
  startCommand,
  startProgram,
  temporaryFolder,
  testAuthority,
} from '@countersign/testkit'
import { type IdentityFiles, initAuthority, issue } from './identity-files.ts'
import { addUser, PASSWORD, startUp } from './running-service.ts'

scrubProcess()

const folder = temporaryFolder(after)
const strangers = temporaryFolder(after)

/** The application of the document, beside a page that shows what it was told of its client. */
const APPLICATION = `
from flask import Flask, request
from werkzeug import serving

app = Flask(__name__)

@app.route("/")
def main():
    return "Top-level content"

@app.route("/who", methods=["GET", "POST"])
def who():
    names = ("HTTP_CLIENT_CERT", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_HOST")
    return {name: request.environ.get(name) for name in names} | {"body": request.get_data(as_text=True)}

serving.run_simple("127.0.0.1", 0, app)
`

interface Served extends AsyncDisposable {
  port: string
}

const needsPython = { modules: ['flask'] }

async function curl(...args: string[]): Promise<CommandResult> {
  return runCommand(outsideTool('curl') ?? '', ['-q', '-sS', '--max-time', '30', ...args])
}

describe('S5: an application of Flask behind serve --upstream', {
  skip: skipWithout('curl') || skipWithoutPython(needsPython),
}, () => {
  let server: IdentityFiles
  let client: IdentityFiles
  let flask: RunningCommand
  let upstream = ''

  before(async () => {
    const data = await initAuthority(folder)
    server = await issue(data, folder, 'localhost', '127.0.0.1')
    client = await issue(data, folder, 'alice', '--client')
    writeFileSync(path.join(folder, 'api.py'), APPLICATION)
    flask = startCommand(outsidePython(needsPython) ?? '', [path.join(folder, 'api.py')], {
      env: { PYTHONUNBUFFERED: '1' },
    })
    const [, url = ''] = await flask.waitForOutput(/Running on (http:\/\/127\.0\.0\.1:\d+)/, 30_000)
    upstream = url
  })

  after(async () => {
    await flask[Symbol.asyncDispose]()
  })

  async function startServe(...args: string[]): Promise<Served> {
    const command = startProgram(
      ['serve', '--upstream', upstream, '--listen', '127.0.0.1:0', ...args],
      { cwd: folder },
    )
    const [, url = ''] = await command.waitForOutput(/listening on (\S+)/, 30_000)
    return {
      port: new URL(url).port,
      [Symbol.asyncDispose]: () => command[Symbol.asyncDispose](),
    }
  }

  it('HTTP: curl gets the page', async () => {
    await using served = await startServe()
    assert.equal((await curl(`http://127.0.0.1:${served.port}/`)).stdout, 'Top-level content')
  })

  it('HTTPS: curl gets the page, and not by http', async () => {
    const identity = ['--cert', server.certificate, '--key', server.key]
    await using served = await startServe('--https', ...identity)
    const page = await curl('--cacert', server.roots, `https://127.0.0.1:${served.port}/`)
    assert.equal(page.stdout, 'Top-level content')
    assert.doesNotMatch(
      (await curl(`http://127.0.0.1:${served.port}/`)).stdout,
      /Top-level content/,
    )
  })

  it('mutual TLS: curl gets the page with its certificate, and without, or with another, not', async () => {
    const identity = ['--cert', server.certificate, '--key', server.key, '--ca', server.roots]
    await using served = await startServe('--https', '--verify-user', ...identity)
    const url = `https://127.0.0.1:${served.port}`
    const pem = path.join(folder, 'client.pem')
    writeFileSync(pem, readFileSync(client.certificate, 'utf8') + readFileSync(client.key, 'utf8'))
    const page = await curl('--cacert', server.roots, '-E', pem, `${url}/`)
    assert.equal(page.stdout, 'Top-level content')
    const stranger = testAuthority().issue({ names: ['mallory'], client: true })
    const { pem: untrusted } = stranger.write(strangers, 'untrusted_client')
    const refused = await curl('--cacert', server.roots, '-E', untrusted, `${url}/`)
    assert.doesNotMatch(refused.stdout, /Top-level content/)
    assert.match(refused.stdout, /"status":403/)
    const nobody = await curl('--cacert', server.roots, `${url}/`)
    assert.doesNotMatch(nobody.stdout, /Top-level content/)
    assert.match(nobody.stdout, /no-client-certificate/)

    // WSGI makes one variable of Client-Cert and Client_Cert.
    const forged = ['-H', 'Client_Cert: :AAAA:', '-H', 'X_Forwarded_For: 9.9.9.9']
    const who = await curl(
      '--cacert',
      server.roots,
      '-E',
      pem,
      ...forged,
      '-d',
      'a=b',
      `${url}/who`,
    )
    const told = JSON.parse(who.stdout)
    const leaf = readFileSync(client.certificate, 'utf8').split('-----')[2]?.replaceAll(/\s/g, '')
    assert.equal(told.HTTP_CLIENT_CERT, `:${leaf}:`)
    assert.equal(told.HTTP_X_FORWARDED_FOR, '127.0.0.1')
    assert.equal(told.HTTP_X_FORWARDED_PROTO, 'https')
    assert.equal(told.HTTP_HOST, `127.0.0.1:${served.port}`)
    assert.equal(told.body, 'a=b')
  })
})

describe('serve --upstream', () => {
  for (const [args, words] of [
    [['--upstream', 'ftp://x'], /is no address of an upstream\nhint: .*http:\/\/127/],
    [['--rate-limit', '3/s'], /--rate-limit needs --upstream/],
    [['--upstream', 'http://x', '--rate-limit', '3'], /is no rate\nhint: {2}write 20\/s/],
    [['--upstream', 'http://x', '--upstream-ca', 'x'], /--upstream-ca.*https/],
    [['--upstream', 'https://x', '--upstream-ca', 'absent.pem'], /--upstream-ca.*absent\.pem/],
    [['.', '--upstream', 'http://x'], /exclude each other/],
  ] as const) {
    it(`refuses ${args.join(' ')}`, async () => {
      const { code, stderr } = await runProgram(['serve', ...args])
      assert.notEqual(code, 0)
      assert.match(stderr, words)
    })
  }

  it('says what it serves, and names an upstream that fails', async () => {
    const socket = path.join(folder, 'absent.sock')
    await using command = startProgram(
      ['serve', '--upstream', `unix:${socket}`, '--listen', '127.0.0.1:0'],
      { cwd: folder },
    )
    const [, url = ''] = await command.waitForOutput(
      /listening on (\S+) \(HTTP\), in front of unix:/,
    )
    const response = await get(url)
    assert.equal(response.status, 502)
    await response.bytes()
    await command.waitForOutput(/upstream-unreachable: unix:.*absent\.sock/)
  })

  it('--require-login: only who has signed in at countersign up gets through', async () => {
    const application = createServer(({ headers }, outgoing) => {
      outgoing.end(JSON.stringify(headers))
    }).listen(0, '127.0.0.1')
    await once(application, 'listening')
    const address = application.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    const service = await startUp(path.join(folder, 'up'))
    try {
      await addUser(service.data, 'ada', 'admin')
      const login = await post(`${service.url}/login`, {
        ca: service.roots,
        json: { username: 'ada', password: PASSWORD },
      })
      await login.bytes()
      const cookie = login.headers.getSetCookie()[0]?.split(';', 1).join('') ?? ''
      const upstreamFlags = ['--upstream', `http://127.0.0.1:${address.port}`, '--adhoc', '--json']
      const loginFlags = ['--require-login', service.url, '--login-ca', service.roots]
      await using command = startProgram(
        ['serve', '--listen', '127.0.0.1:0', ...upstreamFlags, ...loginFlags],
        { cwd: folder },
      )
      const [line] = await command.waitForOutput(/\{.*\}/s)
      const { url, root } = JSON.parse(line)
      const refused = await get(url, { ca: root })
      assert.equal(refused.status, 401)
      assert.equal(JSON.parse(await refused.text()).code, 'credentials-required')
      const headers = { cookie: `${cookie}; theme=dark`, 'countersign-user': 'root' }
      const admitted = await get(url, { ca: root, headers })
      assert.equal(admitted.status, 200)
      const told = JSON.parse(await admitted.text())
      assert.equal(told['countersign-user'], 'ada')
      assert.match(told['countersign-roles'], /admin/)
      assert.equal(told.cookie, 'theme=dark')
      await service[Symbol.asyncDispose]()
      const other = await get(url, { ca: root, headers: { cookie: `${cookie}x` } })
      assert.equal(other.status, 503)
      assert.equal(JSON.parse(await other.text()).code, 'login-unavailable')
    } finally {
      await service[Symbol.asyncDispose]()
      application.close()
      application.closeAllConnections()
    }
  })
})
