/**
 * `countersign user cert` beside a running service: one command lets somebody in, one puts them out, whoever calls.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { Agent, get as ask, type RequestOptions } from 'node:https'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { Session } from '@countersign/client'
import {
  requireTool,
  runCommand,
  runProgram,
  scrubProcess,
  skipWithout,
  temporaryFolder,
} from '@countersign/testkit'
import { addUser, type RunningService, startUp } from './running-service.ts'

scrubProcess()

const folder = temporaryFolder(after)
let service: RunningService

before(async () => {
  service = await startUp(path.join(folder, 'data'))
  await addUser(service.data, 'ada', 'admin')
})
after(async () => {
  await service[Symbol.asyncDispose]()
})

const run = async (...args: string[]) => await runProgram([...args, '--data', service.data])

interface Files {
  certificate: string
  key: string
  roots: string
}

async function certificateOf(name: string, out: string, ...more: string[]): Promise<Files> {
  const made = await run('user', 'cert', name, '--out', path.join(folder, out), '--json', ...more)
  assert.equal(made.code, 0, made.stderr)
  return JSON.parse(made.stdout).files
}

/** One request of Node's own client. */
async function answerOf(
  options: RequestOptions,
): Promise<{ status: number; body: string; resumed: boolean }> {
  const { promise, resolve, reject } = Promise.withResolvers<{
    status: number
    body: string
    resumed: boolean
  }>()
  const url = new URL('/auth/session', service.url)
  const sent = ask(url, { ...options, family: 4, ca: readFileSync(service.roots) }, (incoming) => {
    const { statusCode = 0, socket } = incoming
    const resumed =
      'isSessionReused' in socket &&
      typeof socket.isSessionReused === 'function' &&
      socket.isSessionReused() === true
    text(incoming).then((body) => resolve({ status: statusCode, body, resumed }), reject)
  })
  sent.once('error', reject)
  return await promise
}

/** Asks until the answer is this one. */
async function until(what: () => Promise<{ status: number }>, status: number): Promise<void> {
  const end = performance.now() + 30_000
  while ((await what()).status !== status) {
    assert.ok(performance.now() < end, `not ${status} in 30 s`)
    await wait(50)
  }
}

describe('user cert', () => {
  it('is recognised by curl, python and our client, and refused by all once it is revoked', async (t) => {
    const { certificate, key } = await certificateOf('ada', 'ada')
    const curl = requireTool(t, 'curl')
    if (curl === undefined) return
    const url = `${service.url}/auth/session`
    const byCurl = async (): Promise<string> => {
      const args = ['-sS', '--cacert', service.roots, '--cert', certificate, '--key', key, url]
      return (await runCommand(curl, args)).stdout
    }
    const own = await runProgram([
      'get',
      url,
      '--ca',
      service.roots,
      '--cert',
      certificate,
      '--key',
      key,
    ])
    for (const answer of [await byCurl(), own.stdout]) {
      const { principal, via } = JSON.parse(answer)
      assert.deepEqual([principal.name, principal.roles, via], ['ada', ['admin'], 'mtls'])
    }
    const none = await runCommand(curl, ['-sS', '--cacert', service.roots, url])
    assert.equal(JSON.parse(none.stdout).code, 'credentials-required')

    // A connection that stays open, and a session that is resumed.
    const identity = { cert: readFileSync(certificate), key: readFileSync(key) }
    const open = new Agent({ keepAlive: true, maxSockets: 1 })
    const resuming = new Agent({ keepAlive: false })
    t.after(() => {
      open.destroy()
      resuming.destroy()
    })
    assert.equal((await answerOf({ ...identity, agent: open })).status, 200)
    assert.equal((await answerOf({ ...identity, agent: resuming })).status, 200)
    const again = await answerOf({ ...identity, agent: resuming })
    assert.deepEqual([again.status, again.resumed], [200, true])

    const revoked = await run('user', 'cert', 'ada', '--revoke', certificate)
    assert.equal(revoked.code, 0, revoked.stderr)
    // The row ends first, then the list reaches the server; whichever it is, nobody is let in.
    await until(async () => await answerOf({ ...identity, agent: false }), 403)
    const fresh = await answerOf({ ...identity, agent: false })
    assert.equal(JSON.parse(fresh.body).code, 'revoked')
    const resumed = await answerOf({ ...identity, agent: resuming })
    assert.notEqual(resumed.status, 200)
    const live = await answerOf({ ...identity, agent: open })
    assert.ok(live.status === 401 || live.status === 403, `${live.status}`)
    assert.equal(JSON.parse(await byCurl()).code, 'revoked')
    await using session = new Session({ ca: service.roots, cert: certificate, key })
    assert.equal((await session.get(url)).status, 403)
    // Others are not touched.
    assert.equal(
      (await runCommand(curl, ['-sS', '--cacert', service.roots, `${service.url}/healthz`])).code,
      0,
    )
  })

  it('works for python3 by its standard library', { skip: skipWithout('python3') }, async (t) => {
    const { certificate, key } = await certificateOf('ada', 'python')
    const python = requireTool(t, 'python3')
    if (python === undefined) return
    const { port } = new URL(service.url)
    const program = `
import http.client, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
context.load_cert_chain(sys.argv[2], sys.argv[3])
connection = http.client.HTTPSConnection("localhost", int(sys.argv[4]), context=context)
connection.request("GET", "/auth/session")
print(connection.getresponse().read().decode())`
    const answer = await runCommand(python, ['-c', program, service.roots, certificate, key, port])
    assert.equal(JSON.parse(answer.stdout).via, 'mtls', answer.stderr)
  })

  it('gives a service its certificate, and the tokens of the token endpoint with it', async (t) => {
    const added = await run('user', 'add', 'robot', '--service')
    assert.equal(added.code, 0, added.stderr)
    const { certificate, key } = await certificateOf('robot', 'robot')
    const curl = requireTool(t, 'curl')
    if (curl === undefined) return
    const base = ['-sS', '--cacert', service.roots, '--cert', certificate, '--key', key]
    const form = ['-d', 'grant_type=client_credentials', '-d', 'client_id=robot']
    const token = await runCommand(curl, [...base, ...form, `${service.url}/oauth/token`])
    const { access_token } = JSON.parse(token.stdout)
    assert.equal(typeof access_token, 'string', token.stdout)
    const header = ['-H', `Authorization: Bearer ${access_token}`]
    const bound = await runCommand(curl, [...base, ...header, `${service.url}/auth/session`])
    const who = JSON.parse(bound.stdout)
    assert.deepEqual([who.principal.name, who.via], ['robot', 'jwt'])
    // Stolen, it is good for nothing.
    const stolen = ['-sS', '--cacert', service.roots, ...header, `${service.url}/auth/session`]
    assert.equal(JSON.parse((await runCommand(curl, stolen)).stdout).code, 'credentials-invalid')
  })

  it('writes a key that only its owner may read, PKCS#12 on demand, and replaces nothing unasked', async () => {
    const { key } = await certificateOf('ada', 'p12', '--p12')
    assert.equal(statSync(key).mode & 0o077, 0)
    assert.ok(existsSync(path.join(folder, 'p12', 'ada.p12')))
    const password = path.join(folder, 'p12', 'ada.p12.password')
    assert.equal(statSync(password).mode & 0o077, 0)
    const twice = await run('user', 'cert', 'ada', '--out', path.join(folder, 'p12'))
    assert.notEqual(twice.code, 0)
    assert.match(twice.stderr, /is there already[\s\S]*--force/)
  })

  it('names what is not there', async () => {
    const unknown = await run('user', 'cert', 'nobody')
    assert.match(unknown.stderr, /there is no user "nobody"[\s\S]*countersign user add/)
    const other = await run('user', 'cert', 'robot', '--revoke', 'AB12')
    assert.match(other.stderr, /robot has no such certificate[\s\S]*--list/)
    const listed = await run('user', 'cert', 'robot', '--list')
    assert.match(listed.stdout, /^ID +SERIAL/)
    const disabled = await run('user', 'disable', 'robot')
    assert.equal(disabled.code, 0)
    const refused = await run('user', 'cert', 'robot', '--out', path.join(folder, 'no'))
    assert.match(refused.stderr, /robot is disabled[\s\S]*user enable robot/)
    assert.equal(existsSync(path.join(folder, 'no')), false)
  })

  it('ends with revoke of the certificate as well', async () => {
    const { certificate } = await certificateOf('ada', 'revoke')
    assert.equal((await run('revoke', certificate)).code, 0)
    const left = JSON.parse((await run('user', 'cert', 'ada', '--list', '--json')).stdout)
    const serial = JSON.parse((await run('show', certificate, '--json')).stdout)
    assert.ok(
      !JSON.stringify(left).includes(JSON.stringify(serial).match(/[0-9A-F]{32}/)?.[0] ?? '?'),
    )
  })
})

describe('up --no-user-certificates', () => {
  it('asks nobody for a certificate', async (t) => {
    const curl = requireTool(t, 'curl')
    if (curl === undefined) return
    await using quiet = await startUp(path.join(folder, 'quiet'), ['--no-user-certificates'])
    const added = await runProgram(['user', 'add', 'ada', '--service', '--data', quiet.data])
    assert.equal(added.code, 0, added.stderr)
    const out = path.join(folder, 'quiet-ada')
    const made = await runProgram([
      'user',
      'cert',
      'ada',
      '--out',
      out,
      '--data',
      quiet.data,
      '--json',
    ])
    const { certificate, key } = JSON.parse(made.stdout).files
    const args = ['-sS', '--cacert', quiet.roots, '--cert', certificate, '--key', key]
    const answer = await runCommand(curl, [...args, `${quiet.url}/auth/session`])
    assert.equal(JSON.parse(answer.stdout).code, 'credentials-required')
  })
})
