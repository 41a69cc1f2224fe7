import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Session } from '@countersign/client'
import { openStore } from '@countersign/store'
import { runProgram, scrubProcess, temporaryFolder } from '@countersign/testkit'
import { addUser, PASSWORD, type RunningService, startUp } from './running-service.ts'

scrubProcess()

const folder = temporaryFolder(after)

describe('API tokens from the command line', () => {
  let service: RunningService | undefined
  before(async () => {
    service = await startUp(folder)
    await addUser(folder, 'ada', 'admin')
  })
  after(async () => {
    await service?.[Symbol.asyncDispose]()
  })
  const calling = (token: string): Session => {
    assert.ok(service !== undefined)
    const headers = { authorization: `Bearer ${token}` }
    return new Session({ baseUrl: service.url, ca: service.roots, headers })
  }

  it('are printed alone, let a service in for their scopes, and are ended at once', async () => {
    const added = await run('user', 'add', 'robot', '--service', '--role', 'viewer')
    assert.match(added.stderr, /countersign token create robot/)
    const made = await run('token', 'create', 'robot', '--scope', 'ca:list', '--days', '7')
    assert.equal(made.code, 0, made.stderr)
    const token = made.stdout.trim()
    assert.match(token, /^countersign_pat_[\w-]{49}$/)
    assert.match(made.stderr, /shown once/)
    await using session = calling(token)
    const listed = await session.get('/ca/certificates')
    assert.equal(listed.status, 200)
    await listed.bytes()
    const seen: unknown = await (await session.get('/auth/session')).json()
    assert.partialDeepStrictEqual(seen, { via: 'api_token', principal: { name: 'robot' } })
    const signed = await session.post('/ca/certificates', { json: { csr: 'x' } })
    assert.equal(signed.status, 403)
    assert.match(
      signed.headers.get('www-authenticate') ?? '',
      /insufficient_scope.*scope="ca:issue"/,
    )
    await signed.bytes()
    // Whichever way the address is written.
    for (const target of ['00/revoke', '00/%72evoke']) {
      const taken = await session.post(`/ca/certificates/${target}`)
      assert.match(taken.headers.get('www-authenticate') ?? '', /scope="ca:revoke"/, target)
      await taken.bytes()
    }
    const listing = await run('token', 'list', 'robot', '--json')
    const [{ id, label, name }] = JSON.parse(listing.stdout)
    assert.deepEqual([label, name], ['command line', 'robot'])
    assert.ok(!listing.stdout.includes(token))
    assert.equal((await run('token', 'revoke', id)).code, 0)
    const end = Date.now() + 15_000
    let status = 200
    while (status === 200 && Date.now() < end) {
      const answer = await session.get('/auth/session')
      await answer.bytes()
      status = answer.status
    }
    assert.equal(status, 401)
  })

  it('are refused for nobody, for what is no scope and for too long a life', async () => {
    const table: [string[], number, RegExp][] = [
      [['token', 'create', 'nobody'], 1, /there is no user "nobody"[^]*countersign user list/],
      [['token', 'create', 'ada', '--scope', 'A B'], 1, /"A B" is not a scope/],
      [['token', 'create', 'ada', '--days', '366'], 2, /from 1 to 365/],
      [['token', 'revoke', 'nonsense'], 1, /there is no token nonsense[^]*countersign token list/],
      [['user', 'add', 'x', '--service', '--password-stdin'], 2, /a service has no password/],
    ]
    const all = await Promise.all(table.map(([args]) => run(...args)))
    for (const [index, [args, code, words]] of table.entries()) {
      const done = all[index]
      assert.equal(done?.code, code, args.join(' '))
      assert.match(done.stderr, words)
      assert.equal(done.stdout, '')
    }
  })

  it('user reset makes a code that sets a password, and user role gives roles', async () => {
    assert.ok(service !== undefined)
    await addUser(folder, 'bob')
    const { stdout, stderr } = await run('user', 'reset', 'bob')
    assert.match(stderr, /15 minutes/)
    await using session = new Session({ baseUrl: service.url, ca: service.roots })
    const json = { token: stdout.trim(), new: 'another five words of his' }
    const args = ['password', service.url, '--ca', service.roots, '--stdin']
    const weak = await runProgram(args, { input: `${json.token}\nshort\n` })
    assert.equal(weak.code, 1)
    assert.match(weak.stderr, /not good enough: too-short\nhint: +four or more words of your own/)
    const input = `${json.token}\n${json.new}\n`
    const set = await runProgram(args, { input })
    assert.deepEqual([set.code, set.stdout], [0, `your password at ${service.url} is set\n`])
    assert.doesNotMatch(set.stderr, /another five words|[0-9A-Z]{5}-/)
    const again = await runProgram(args, { input })
    assert.deepEqual([again.code, again.stdout], [1, ''])
    assert.match(again.stderr, /the code is wrong, used or too old/)
    const login = { username: 'bob', password: json.new }
    const signedIn = await session.post('/login', { json: login })
    assert.equal(signedIn.status, 200)
    await signedIn.bytes()
    const roles = await run('user', 'role', 'bob', '--role', 'viewer')
    assert.equal(roles.stdout, 'bob has viewer\n')
    const seen: unknown = await (await session.get('/auth/session')).json()
    assert.partialDeepStrictEqual(seen, { principal: { name: 'bob' } })
  })

  it('doctor --secrets finds nothing, and finds what is planted', async () => {
    assert.match(
      (await run('doctor', '--secrets')).stdout,
      /nothing in the database can be replayed/,
    )
    await using store = await openStore(`sqlite:${folder}/countersign.db`)
    const db = store.database<{ auth_credential: { label: string } }>()
    const { token } = JSON.parse((await run('token', 'create', 'ada', '--json')).stdout)
    await db.updateTable('auth_credential').set({ label: token }).execute()
    const found = await run('doctor', '--secrets')
    assert.equal(found.code, 3)
    assert.match(found.stderr, /auth_credential\.label \(an API token, \d+ times\)/)
    assert.ok(!found.stderr.includes(token))
    await db.updateTable('auth_credential').set({ label: 'x' }).execute()
  })

  it('audit lists what happened; audit verify ends with 3 and names the row that was changed', async () => {
    const listed = await run('audit', '--event', 'authn_token_revoked')
    assert.match(listed.stdout, /^ROW +TIME +EVENT +WHO +FROM +WHY\n\d+ .*authn_token_revoked/)
    const rows = JSON.parse((await run('audit', '--limit', '2', '--json')).stdout)
    assert.equal(rows.length, 2)
    const future = await run('audit', '--since', '2999-01-01T00:00:00Z')
    assert.deepEqual([future.stdout, future.stderr], ['', 'nothing happened\n'])
    const whole = await run('audit', 'verify', '--json')
    assert.equal(whole.code, 0, whole.stderr)
    const { line, rows: count } = JSON.parse(whole.stdout)
    await using store = await openStore(`sqlite:${folder}/countersign.db`)
    const db = store.database<{ auth_audit: { seq: number; detail: string } }>()
    await db.deleteFrom('auth_audit').where('seq', '>=', count).execute()
    const cut = await run('audit', 'verify', '--head', line)
    assert.deepEqual([cut.code, cut.stdout], [3, ''])
    assert.match(cut.stderr, new RegExp(`row ${count} of the audit log is missing`))
    await db.updateTable('auth_audit').set({ detail: '{}' }).where('seq', '=', 2).execute()
    const changed = await run('audit', 'verify', '--json')
    assert.equal(changed.code, 3)
    assert.partialDeepStrictEqual(JSON.parse(changed.stdout), { ok: false, code: 'audit-broken' })
  })
})

async function run(...args: string[]): ReturnType<typeof runProgram> {
  return await runProgram([...args, '--data', folder], { input: PASSWORD })
}
