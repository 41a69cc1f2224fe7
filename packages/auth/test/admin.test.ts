import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { scrubProcess } from '@countersign/testkit'
import { type Call, codeOf, type Direct, openDirect } from './direct.ts'
import { PASSWORD } from './service.ts'

scrubProcess()

const ROUTES: [string, string, unknown?][] = [
  ['GET', '/admin/principals'],
  ['POST', '/admin/principals', { name: 'eve' }],
  ['GET', '/admin/principals/bob'],
  ['POST', '/admin/principals/bob/disable'],
  ['POST', '/admin/principals/bob/enable'],
  ['PUT', '/admin/principals/bob/roles', { roles: ['admin'] }],
  ['POST', '/admin/principals/bob/reset'],
  ['GET', '/admin/sessions'],
  ['DELETE', '/admin/sessions/01ARZ3NDEKTSV4RRFFQ69G5FAV'],
  ['GET', '/admin/audit'],
]

async function administered(t: Parameters<typeof openDirect>[0]): Promise<[Direct, string]> {
  const direct = await openDirect(t)
  await direct.auth.users.add({ name: 'root', password: PASSWORD, roles: ['admin'] })
  await direct.auth.users.add({ name: 'bob', password: PASSWORD })
  return [direct, await direct.signIn('root')]
}

describe('administration', () => {
  it('is for a session of the role admin, proved within 15 minutes, from a page of our own', async (t) => {
    const [direct, cookie] = await administered(t)
    const { auth, call, pass, signIn } = direct
    const bob = await signIn('bob')
    const { token } = await auth.tokens.create('root', { label: 'x' })
    const refused: [Call, string][] = [
      [{}, '401 credentials-required'],
      [{ cookie: bob }, '403 role-missing'],
      [{ bearer: token }, '403 method-refused'],
    ]
    for (const [method, path, json] of ROUTES) {
      for (const [who, expected] of refused) {
        assert.equal(await codeOf(await call(path, { method, json, ...who })), expected, path)
      }
      if (method === 'GET') continue
      const headers = { 'sec-fetch-site': 'cross-site' }
      const forged = await call(path, { method, json, cookie, headers })
      assert.equal(await codeOf(forged), '403 cross-site-request')
    }
    pass(15 * 60_000 + 1)
    for (const [method, path, json] of ROUTES) {
      const stale = await call(path, { method, json, cookie })
      assert.equal(await codeOf(stale), '401 step-up-required', path)
    }
    assert.equal((await auth.users.list()).length, 2)
  })

  it('adds, shows, disables, enables, gives roles', async (t) => {
    const [{ auth, call, signIn }, cookie] = await administered(t)
    const made = await call('/admin/principals', {
      cookie,
      json: { name: 'robot', kind: 'service', roles: ['viewer'] },
    })
    assert.equal(made.status, 201)
    assert.partialDeepStrictEqual(await made.json(), { name: 'robot', kind: 'service' })
    const again = await call('/admin/principals', { cookie, json: { name: 'ROBOT' } })
    assert.equal(await codeOf(again), '409 name-taken')
    const bad = await call('/admin/principals', { cookie, json: { name: 'x', roles: ['A B'] } })
    assert.equal(await codeOf(bad), '422 invalid-role')
    const password = await call('/admin/principals', { cookie, json: { name: 'x', password: 'y' } })
    assert.equal(password.status, 400)
    const all = JSON.parse(await (await call('/admin/principals', { cookie })).text())
    assert.deepEqual(
      all.map((user: { name: string }) => user.name),
      ['bob', 'robot', 'root'],
    )
    const bob = await signIn('bob')
    const act = async (path: string, json?: unknown, method = 'POST'): Promise<number> =>
      (await call(`/admin/principals/${path}`, { cookie, method, json })).status
    assert.equal(await act('BOB/roles', { roles: ['admin'] }, 'PUT'), 204)
    assert.equal((await call('/admins', { cookie: bob })).status, 200)
    assert.equal(await act('bob/disable'), 204)
    assert.equal((await call('/private', { cookie: bob })).status, 401)
    assert.equal(await act('bob/reset'), 409)
    assert.equal(await act('bob/enable'), 204)
    assert.equal(await act('nobody/disable'), 404)
    assert.equal(await act('%00/disable'), 404)
    const told = await auth.audit.list({ event: 'authz_admin' })
    assert.deepEqual(
      told.map(({ detail }) => `${String(detail['name'])}: ${String(detail['subject'])}`),
      ['root: enable bob', 'root: disable bob', 'root: roles bob', 'root: add robot'],
    )
  })

  it('makes reset codes, ends sessions, shows what happened', async (t) => {
    const [{ call, signIn }, cookie] = await administered(t)
    const bob = await signIn('bob')
    const listed = JSON.parse(await (await call('/admin/sessions', { cookie })).text())
    assert.deepEqual(
      listed.map(({ principal }: { principal: { name: string } }) => principal.name).toSorted(),
      ['bob', 'root'],
    )
    const [{ sid }] = listed.filter(
      ({ principal }: { principal: { name: string } }) => principal.name === 'bob',
    )
    const path = `/admin/sessions/${sid}`
    assert.equal((await call(path, { cookie, method: 'DELETE' })).status, 204)
    assert.equal(
      await codeOf(await call(path, { cookie, method: 'DELETE' })),
      '404 session-unknown',
    )
    assert.equal((await call('/private', { cookie: bob })).status, 401)
    const reset = await call('/admin/principals/bob/reset', { cookie, method: 'POST' })
    const { code } = JSON.parse(await reset.text())
    const json = { token: code, new: 'another five words of his' }
    assert.equal((await call('/auth/reset/confirm', { json })).status, 204)
    const audit = await call('/admin/audit?limit=3&event=session_created', { cookie })
    const entries = JSON.parse(await audit.text())
    assert.deepEqual(
      entries.map(({ detail }: { detail: { name: string } }) => detail.name),
      ['bob', 'root'],
    )
    for (const query of ['limit=0', 'limit=1001', 'limit=x', 'since=yesterday']) {
      assert.equal((await call(`/admin/audit?${query}`, { cookie })).status, 400, query)
    }
  })
})
