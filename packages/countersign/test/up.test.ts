import assert from 'node:assert/strict'
import { readdirSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { get, Session } from '@countersign/client'
import {
  outsidePython,
  runCommand,
  runProgram,
  scrubProcess,
  skipWithout,
  temporaryFolder,
} from '@countersign/testkit'
import { connect as connectTls, createDefaultContext } from '@countersign/tls'
import { addUser, PASSWORD, type RunningService, signIn, startUp } from './running-service.ts'

scrubProcess()

describe('countersign up, first run', () => {
  const data = path.join(temporaryFolder(after), 'data')
  let service: RunningService
  before(async () => {
    service = await startUp(data)
  })
  after(async () => {
    await service[Symbol.asyncDispose]()
  })

  it('keeps everything but the roots to its owner', () => {
    assert.equal(statSync(service.data).mode & 0o777, 0o700)
    for (const name of readdirSync(service.data)) {
      const expected = name === 'roots.pem' ? 0o644 : 0o600
      assert.equal(statSync(path.join(service.data, name)).mode & 0o777, expected, name)
    }
  })

  it('prints a curl line that works as pasted', { skip: skipWithout('curl', 'sh') }, async () => {
    const [line] = /curl --cacert .*/.exec(service.command.stdout()) ?? []
    const { code, stdout } = await runCommand('sh', ['-c', line ?? 'false'])
    assert.equal(code, 0)
    assert.equal(JSON.parse(stdout).status, 'ok')
  })

  it('prints a countersign line that works as pasted', async () => {
    const [, line = ''] = /^ +(?:npx )?countersign (get .*)$/m.exec(service.command.stdout()) ?? []
    const { code, stdout, stderr } = await runProgram(line.split(' '))
    assert.equal(code, 0, stderr)
    assert.equal(JSON.parse(stdout).status, 'ok')
  })

  it('prints the address of a console that is there', async () => {
    const [url = ''] = /https:\S+\/console\/$/m.exec(service.command.stdout()) ?? []
    const response = await get(url, { ca: service.roots })
    assert.equal(response.status, 200)
    assert.match(response.headers.get('content-type') ?? '', /^text\/html/)
    assert.match(response.headers.get('content-security-policy') ?? '', /default-src 'none'/)
    assert.match(await response.text(), /<title>/)
  })

  it('is reached by python3 with VERIFY_X509_STRICT', async (t) => {
    const python = outsidePython()
    if (python === undefined) {
      t.skip('needs python3')
      return
    }
    const script = `
import json, ssl, sys, urllib.request
context = ssl.create_default_context(cafile=sys.argv[1])
context.verify_flags |= ssl.VERIFY_X509_STRICT
print(json.load(urllib.request.urlopen(sys.argv[2] + '/healthz', context=context))['status'])`
    const { code, stdout, stderr } = await runCommand(python, [
      '-c',
      script,
      service.roots,
      service.url,
    ])
    assert.equal(code, 0, stderr)
    assert.equal(stdout.trim(), 'ok')
  })

  it('makes the first administrator with the printed code, once', async () => {
    await using session = new Session({ baseUrl: service.url, ca: service.roots })
    const needed = await session.get('/auth/setup')
    assert.deepEqual(await needed.json(), { needed: true })
    const wrong = await session.post('/auth/setup', {
      json: { code: 'AAAA-BBBB-CCCC', username: 'ada', password: PASSWORD },
    })
    assert.ok(wrong.status >= 400 && wrong.status < 500, String(wrong.status))
    await wrong.bytes()
    const made = await session.post('/auth/setup', {
      json: { code: service.setupCode, username: 'ada', password: PASSWORD },
    })
    assert.equal(made.status, 200, await made.text())
    const session2 = await session.get('/auth/session')
    assert.partialDeepStrictEqual(await session2.json(), { principal: { roles: ['admin'] } })
    const again = await session.post('/auth/setup', {
      json: { code: service.setupCode, username: 'eve', password: PASSWORD },
    })
    assert.ok(again.status >= 400 && again.status < 500, String(again.status))
  })

  it('refuses a second service on the same folder by name', async () => {
    const { code, stderr } = await runProgram([
      'up',
      '--data',
      service.data,
      '--listen',
      '127.0.0.1:0',
    ])
    assert.equal(code, 1)
    assert.match(stderr, /a service already runs on .*\(process \d+, https:\/\/localhost:\d+\)/)
  })

  it('refuses every guarded route without a credential with 401 and a challenge', async () => {
    await using session = new Session({ baseUrl: service.url, ca: service.roots })
    for (const [method, route] of GUARDED) {
      const response = await session.request(route, {
        method,
        ...(method === 'POST' ? { json: {} } : {}),
      })
      const body = await response.text()
      assert.equal(response.status, 401, `${method} ${route}: ${response.status} ${body}`)
      assert.ok(response.headers.get('www-authenticate'), `${method} ${route}`)
      assert.match(response.headers.get('content-type') ?? '', /problem\+json/)
    }
  })

  it('refuses a cookie that nobody gave out (seed 2: no cookie, unknown user)', async () => {
    const response = await get(`${service.url}/auth/session`, {
      ca: service.roots,
      cookies: { '__Host-countersign-sid': 'A'.repeat(43), 'app1-username': 'nobody' },
    })
    assert.equal(response.status, 401)
  })

  it('answers what is nowhere with 404, and a method that is not there without its page', async () => {
    const response = await get(`${service.url}/nothing`, { ca: service.roots })
    assert.equal(response.status, 404)
    assert.partialDeepStrictEqual(await response.json(), { code: 'not-found' })
  })

  it('is ready, has metrics and an OpenAPI document', async () => {
    await using session = new Session({ baseUrl: service.url, ca: service.roots })
    assert.equal((await session.get('/readyz')).status, 200)
    const metrics = await (await session.get('/metrics')).text()
    assert.match(metrics, /^countersign_certificate_days_left\{certificate="server"\} [67]\.\d+$/m)
    const document = await (await session.get('/openapi.json')).json()
    assert.partialDeepStrictEqual(document, { openapi: '3.1.0', paths: { '/login': {} } })
  })

  describe('on the same port, without TLS', () => {
    it('hands out the roots', async () => {
      const response = await get(plain(service, '/roots.pem'))
      assert.equal(response.status, 200)
      assert.match(await response.text(), /BEGIN CERTIFICATE/)
    })

    it('answers a page with 308 and a form with a clear 400', async () => {
      const page = await get(plain(service, '/console/?x=1'), { redirect: 'manual' })
      assert.equal(page.status, 308)
      assert.equal(page.headers.get('location'), `${service.url}/console/?x=1`)
      await using session = new Session()
      const form = await session.post(plain(service, '/login'), {
        form: { username: 'ada', password: 'x' },
      })
      assert.equal(form.status, 400)
      assert.partialDeepStrictEqual(await form.json(), { code: 'https-only' })
    })

    it('closes what is neither, without a word', async () => {
      const socket = connect(Number(new URL(service.url).port), '127.0.0.1')
      socket.end(Buffer.from([0x05, 0x01, 0x00, 0x80, 0x0d, 0x0a]))
      const chunks: Buffer[] = []
      socket.on('error', () => {})
      for await (const chunk of socket) chunks.push(chunk)
      assert.equal(Buffer.concat(chunks).toString(), '')
    })
  })
})

describe('beside a running service', () => {
  it('a user added, used and disabled by the command line is in, and out within 2 s', async (t) => {
    await using service = await startUp(temporaryFolder(t))
    await addUser(service.data, 'bob')
    await using session = await signIn(service, 'bob')
    assert.equal((await session.get('/auth/session')).status, 200)
    const { code } = await runProgram(['user', 'disable', 'bob', '--data', service.data])
    assert.equal(code, 0)
    const deadline = Date.now() + 2000
    const statusNow = async (): Promise<number> => {
      const response = await session.get('/auth/session')
      await response.bytes()
      return response.status
    }
    let status = 200
    while (status === 200 && Date.now() < deadline) status = await statusNow()
    // A request that began just before the two seconds were over may be answered just after.
    assert.equal(await statusNow(), 401)
  })

  it('what is issued by the command line and over HTTP is in one ledger', async (t) => {
    const folder = temporaryFolder(t)
    await using service = await startUp(path.join(folder, 'data'))
    await addUser(service.data, 'ada', 'admin')
    await using session = await signIn(service, 'ada')
    const issued = await runProgram([
      'issue',
      'api.corp.internal',
      '--data',
      service.data,
      '--out',
      folder,
      '--json',
    ])
    assert.equal(issued.code, 0, issued.stderr)
    const { serial } = JSON.parse(issued.stdout)
    const list = await (await session.get('/ca/certificates')).json()
    assert.partialDeepStrictEqual(list, { certificates: [{ serial }] })
  })
})

describe('a later start', () => {
  it('has the same roots and users, and no set-up code once there is an administrator', async (t) => {
    const data = temporaryFolder(t)
    let first = ''
    {
      await using service = await startUp(data)
      first = /root SHA-256 (\S+)/.exec(service.command.stdout())?.[1] ?? ''
      await addUser(data, 'ada', 'admin')
      assert.equal(await service.command.stop('SIGINT'), 0)
      assert.ok(!readdirSync(data).includes('service.json'))
    }
    await using service = await startUp(data)
    assert.equal(/root SHA-256 (\S+)/.exec(service.command.stdout())?.[1], first)
    assert.equal(service.setupCode, undefined)
    await using session = await signIn(service, 'ada')
    assert.equal((await session.get('/auth/session')).status, 200)
  })

  it('answers the request under way before it exits 0 on Ctrl-C', async (t) => {
    await using service = await startUp(temporaryFolder(t))
    await addUser(service.data, 'bob')
    const { hostname, port, host } = new URL(service.url)
    const context = createDefaultContext({ ca: service.roots })
    await using socket = await connectTls({ host: hostname, port: Number(port), context })
    const reader = socket.reader()
    const body = JSON.stringify({ username: 'bob', password: PASSWORD })
    const head = [
      'POST /login HTTP/1.1',
      `host: ${host}`,
      'content-type: application/json',
      `content-length: ${body.length}`,
      'expect: 100-continue',
    ]
    await socket.write(`${head.join('\r\n')}\r\n\r\n`)
    // The answer to the head says that the service has the request in hand; only then does the signal come.
    assert.match((await reader.readLine()) ?? '', /^HTTP\/1\.1 100 /)
    const code = service.command.stop('SIGINT')
    await service.command.waitForOutput('answering what is under way')
    await socket.write(body)
    await reader.readLine()
    assert.match((await reader.readLine()) ?? '', /^HTTP\/1\.1 200 /)
    await socket.close()
    assert.equal(await code, 0)
  })
})

/** An address on the service's port, without TLS. */
function plain({ url }: RunningService, route: string): string {
  return `http://localhost:${new URL(url).port}${route}`
}

const GUARDED: readonly [string, string][] = [
  ['GET', '/auth/session'],
  ['GET', '/auth/sessions'],
  ['DELETE', '/auth/sessions/01ARZ3NDEKTSV4RRFFQ69G5FAV'],
  ['POST', '/auth/logout-others'],
  ['POST', '/auth/password'],
  ['GET', '/ca/certificates'],
  ['POST', '/ca/certificates'],
  ['POST', '/ca/certificates/00/revoke'],
]
