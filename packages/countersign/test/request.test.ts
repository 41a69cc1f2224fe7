import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Server, serve } from '@countersign/server'
import { type CommandResult, runProgram, scrubProcess, temporaryFolder } from '@countersign/testkit'
import { addUser, PASSWORD, startUp } from './running-service.ts'

scrubProcess()

describe('countersign get and its sisters', () => {
  const folder = temporaryFolder(after)
  const roots = path.join(folder, 'roots.pem')
  let server: Server
  before(async () => {
    server = await serve(echo, { adhoc: true })
    writeFileSync(roots, server.adhocRoots ?? '')
  })
  after(async () => {
    await server.close()
  })
  const call = async (...args: string[]): Promise<CommandResult> =>
    runProgram([...args, '--ca', roots])

  it('send query, headers and a JSON body, and print the body as it is', async () => {
    const { code, stdout, stderr } = await call(
      'post',
      `${server.url}/path`,
      'name=Ada',
      'age:=36',
      'X-Test:yes',
      'q==1',
    )
    assert.equal(code, 0, stderr)
    assert.deepEqual(JSON.parse(stdout), {
      method: 'POST',
      target: '/path?q=1',
      type: 'application/json',
      test: 'yes',
      body: '{"name":"Ada","age":36}',
    })
    assert.equal(stderr, '')
  })

  it('send a form, and a file as multipart', async () => {
    const form = await call('post', server.url, '--form', 'a=1 2')
    assert.partialDeepStrictEqual(JSON.parse(form.stdout), {
      type: 'application/x-www-form-urlencoded',
      body: 'a=1+2',
    })
    const file = path.join(folder, 'file.txt')
    writeFileSync(file, 'content of the file')
    const sent = JSON.parse((await call('put', server.url, 'title=x', `upload@${file}`)).stdout)
    assert.match(sent.type, /^multipart\/form-data; boundary=/)
    assert.match(sent.body, /name="upload"; filename="file\.txt"[\s\S]+content of the file/)
  })

  it('print head and body with --headers, one value with --json, a file with --download', async () => {
    const head = await call('get', server.url, '--headers')
    assert.match(
      head.stdout,
      /^HTTP\/1\.1 200 OK\n(?:.+\n)*content-type: application\/json\n(?:.+\n)*\n\{/,
    )
    const json = JSON.parse((await call('get', server.url, '--json')).stdout)
    assert.partialDeepStrictEqual(json, { ok: true, status: 200, body: { method: 'GET' } })
    const file = path.join(folder, 'saved')
    const saved = await call('get', server.url, '--download', file)
    assert.equal(saved.stdout, '')
    assert.match(saved.stderr, /saved: \d+ bytes/)
    assert.equal(JSON.parse(readFileSync(file, 'utf8')).method, 'GET')
  })

  it('do not follow a redirect unless told to', async () => {
    const stayed = await call('get', `${server.url}/redirect`, '--json')
    assert.partialDeepStrictEqual(JSON.parse(stayed.stdout), { status: 302 })
    const followed = await call('get', `${server.url}/redirect`, '--follow')
    assert.equal(JSON.parse(followed.stdout).target, '/there')
  })

  it('exit 1 for a failed answer, 4 for a refusal, and print its body all the same', async () => {
    for (const [status, expected] of [
      [404, 1],
      [500, 1],
      [401, 4],
      [403, 4],
    ] as const) {
      const { code, stdout, stderr } = await call('get', `${server.url}/status/${status}`)
      assert.equal(code, expected, String(status))
      assert.equal(stdout, `status ${status}`)
      assert.match(stderr, new RegExp(`HTTP ${status}`))
    }
  })

  it('connect unverified only with --verify no, and say so (SEEDS C2)', async () => {
    const refused = await runProgram(['get', server.url])
    assert.equal(refused.code, 3)
    const { code, stdout, stderr } = await runProgram(['get', server.url, '--verify', 'no'])
    assert.equal(code, 0)
    assert.equal(JSON.parse(stdout).method, 'GET')
    assert.match(stderr, /CountersignInsecure|not verified/)
  })

  it('trust what the environment names (SEEDS C3)', async () => {
    for (const name of [
      'SSL_CERT_FILE',
      'REQUESTS_CA_BUNDLE',
      'CURL_CA_BUNDLE',
      'NODE_EXTRA_CA_CERTS',
    ]) {
      const { code, stderr } = await runProgram(['get', server.url], { env: { [name]: roots } })
      assert.equal(code, 0, `${name}: ${stderr}`)
    }
    const missing = await runProgram(['get', server.url], {
      env: { SSL_CERT_FILE: '/nowhere.pem' },
    })
    assert.notEqual(missing.code, 0)
    assert.match(missing.stderr, /SSL_CERT_FILE.*\/nowhere\.pem|\/nowhere\.pem.*SSL_CERT_FILE/)
  })

  it('fetch many, in the order they were given, each a line of JSON', async () => {
    const list = path.join(folder, 'urls')
    writeFileSync(list, `# two more\n${server.url}/b\n\n${server.url}/status/404\n`)
    const { code, stdout } = await call(
      'fetch',
      `${server.url}/a`,
      '--input',
      list,
      '--concurrency',
      '2',
    )
    assert.equal(code, 1)
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.partialDeepStrictEqual(lines, [
      { url: `${server.url}/a`, status: 200, body: { target: '/a' } },
      { url: `${server.url}/b`, status: 200, body: { target: '/b' } },
      { url: `${server.url}/status/404`, status: 404 },
    ])
  })

  it('fetch answers a URL that cannot be reached with its error, and the others all the same', async () => {
    const { code, stdout } = await call('fetch', 'https://127.0.0.1:1/', `${server.url}/a`)
    assert.equal(code, 5)
    const [first, second] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.equal(typeof first.error.code, 'string')
    assert.equal(second.status, 200)
  })
})

describe('countersign login and logout', () => {
  it('keep a session for the calls that follow, in a file of its own, and end it', async (t) => {
    const folder = temporaryFolder(t)
    await using service = await startUp(path.join(folder, 'data'))
    await addUser(service.data, 'ada', 'admin')
    const env = { COUNTERSIGN_CONFIG: path.join(folder, 'config') }
    const whoami = async (): Promise<CommandResult> =>
      runProgram(['get', `${service.url}/auth/session`, '--ca', service.roots], { env })
    const login = async (password: string): Promise<CommandResult> =>
      runProgram(
        ['login', service.url, '--user', 'ada', '--password-stdin', '--ca', service.roots],
        {
          env,
          input: `${password}\n`,
        },
      )

    assert.equal((await whoami()).code, 4)
    const wrong = await login('wrong password')
    assert.equal(wrong.code, 4)
    assert.match(wrong.stderr, /^error: /)
    const right = await login(PASSWORD)
    assert.equal(right.code, 0, right.stderr)
    const seen = await whoami()
    assert.partialDeepStrictEqual(JSON.parse(seen.stdout), { principal: { name: 'ada' } })
    assert.doesNotMatch(right.stdout + right.stderr + seen.stderr, new RegExp(PASSWORD))

    const out = await runProgram(['logout', service.url, '--ca', service.roots], { env })
    assert.equal(out.code, 0, out.stderr)
    assert.equal((await whoami()).code, 4)
  })

  it('do not ask where nobody can answer', async () => {
    const { code, stderr } = await runProgram(['login', 'https://localhost:1'])
    assert.equal(code, 2)
    assert.match(stderr, /--user is needed/)
  })
})

/** Answers what was asked. */
async function echo(request: Request): Promise<Response> {
  const { pathname, search, origin } = new URL(request.url)
  const [, status] = /^\/status\/(\d+)$/.exec(pathname) ?? []
  if (status !== undefined) return new Response(`status ${status}`, { status: Number(status) })
  if (pathname === '/redirect') return Response.redirect(`${origin}/there`, 302)
  return Response.json({
    method: request.method,
    target: pathname + search,
    type: request.headers.get('content-type') ?? undefined,
    test: request.headers.get('x-test') ?? undefined,
    body: await request.text(),
  })
}
