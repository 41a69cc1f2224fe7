/**
 * Sessions and API tokens in every state they can be in.
 */
import assert from 'node:assert/strict'
import type { AuthPeer } from '@countersign/auth'
import { testAuthority } from '@countersign/testkit'
import { Certificate } from '@countersign/x509'
import { type Call, type Direct, openDirect, sessionCookieOf, TLS, tokenOf } from './direct.ts'
import { PASSWORD } from './service.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

const authority = testAuthority()
const certificateOf = (name: string): Certificate => {
  const [certificate] = Certificate.parseAll(authority.issue({ names: [name] }).chainPem)
  assert.ok(certificate !== undefined)
  return certificate
}
/** What the bound ones are bound to. */
export const OWN: Certificate = certificateOf('ada.internal')
/** Somebody else's. */
export const OTHER: Certificate = certificateOf('eve.internal')

/** A session in every state of the table, by its name. */
export async function makeSessions(direct: Direct, made: Map<string, string>): Promise<void> {
  const { auth, call, pass, signIn } = direct
  const names = ['ada', 'old', 'changed', 'disabled', 'enabled', 'root']
  for (const name of names) {
    const roles = name === 'root' ? ['admin'] : []
    await auth.users.add({ name, password: PASSWORD, roles })
  }
  made.set('twelve hours old', await signIn('old'))
  let aged = made.get('twelve hours old') ?? ''
  for (let passed = 0; passed < 12 * HOUR; passed += 29 * MINUTE) {
    const renewed = sessionCookieOf(await call('/private', { cookie: aged }))
    if (renewed !== '') aged = renewed
    pass(29 * MINUTE)
  }
  made.set('twelve hours old', aged)
  const idle = await signIn('ada')
  pass(30 * MINUTE)
  made.set('idle for half an hour', idle)

  const seen = await signIn('ada')
  const unseen = await signIn('ada')
  const hourOld = await signIn('ada')
  for (let half = 0; half < 2; half++) {
    for (const cookie of [seen, unseen, hourOld]) await call('/auth/session', { cookie })
    pass(29 * MINUTE)
  }
  for (const cookie of [seen, unseen, hourOld]) await call('/auth/session', { cookie })
  pass(2 * MINUTE)
  const successor = sessionCookieOf(await call('/private', { cookie: seen }))
  await call('/private', { cookie: successor })
  pass(MINUTE)
  await call('/private', { cookie: unseen })
  made.set('renewed, a minute after the new one was seen', seen)
  made.set('renewed, the new one not seen yet', unseen)
  made.set('of an hour ago', hourOld)

  const logout = await signIn('ada')
  await call('/auth/logout', { method: 'POST', cookie: logout })
  made.set('logged out', logout)
  const elsewhere = await signIn('ada')
  const { session } = JSON.parse(await (await call('/auth/session', { cookie: elsewhere })).text())
  await auth.sessions.revoke(session.sid)
  made.set('ended by its owner elsewhere', elsewhere)
  made.set('from before a new password', await signIn('changed'))
  await auth.users.setPassword('changed', PASSWORD)
  for (const name of ['disabled', 'enabled']) {
    const cookie = await signIn(name)
    await auth.users.disable(name)
    if (name === 'enabled') await auth.users.enable(name)
    made.set(name === 'enabled' ? 'of a user enabled again' : 'of a disabled user', cookie)
  }
  const stepped = await signIn('ada')
  await call('/auth/step-up', { cookie: stepped, json: { password: PASSWORD } })
  made.set('from before a step-up', stepped)
  const good = await signIn('ada')
  made.set('good', good)
  made.set('of an administrator', await signIn('root'))
  made.set('none', '')
  made.set('empty', named(''))
  made.set('unknown', named('A'.repeat(43)))
  made.set('too short', named(tokenOf(good).slice(1)))
  made.set('5,000 characters', named('A'.repeat(5000)))
  made.set('with a space', named(` ${tokenOf(good)}`))
  made.set('in quotes', named(`"${tokenOf(good)}"`))
  const db = direct.store.database<{ auth_session: { hash: string; sid: string } }>()
  const rows = await db.selectFrom('auth_session').select(['hash', 'sid']).execute()
  made.set('the hash as the database has it', named(rows.at(-1)?.hash ?? ''))
  made.set('the sid in place of the token', named(rows.at(-1)?.sid ?? ''))
}

function named(value: string): string {
  return `__Host-countersign-sid=${value}`
}

function basic(text: string): string {
  return `Basic ${Buffer.from(text).toString('base64')}`
}

/** A call with an API token in every state of the table, by its name. */
export async function makeTokens(direct: Direct, made: Map<string, Call>): Promise<void> {
  const { auth, store } = direct
  for (const name of ['robot', 'changed robot', 'disabled robot']) {
    await auth.users.add({ name, password: PASSWORD })
  }
  const create = async (
    name: string,
    more: Partial<Parameters<typeof auth.tokens.create>[1]> = {},
  ): Promise<string> => (await auth.tokens.create(name, { label: 'x', ...more })).token
  const bearer = (state: string, token: string, peer?: AuthPeer): void => {
    made.set(state, { bearer: token, peer: { ...TLS, ...peer } })
  }
  const header = (state: string, name: string, value: string): void => {
    made.set(state, { headers: { [name]: value } })
  }
  const good = await create('robot')
  bearer('good', good)
  bearer('of an administrator', await create('root'))
  bearer('for reports', await create('robot', { scopes: ['reports:read', 'other'] }))
  bearer('for something else', await create('robot', { scopes: ['other'] }))
  header('with a lower-case scheme', 'authorization', `bearer ${good}`)
  header('with three spaces', 'authorization', `Bearer   ${good}`)
  await using foreign = await openDirectAlone('elsewhere')
  bearer('of another service', foreign.token)
  bearer('unknown, with a right checksum', foreign.token.replace('elsewhere_', 'countersign_'))
  bearer('with a wrong checksum', `${good.slice(0, -6)}000000`)
  bearer('cut short', good.slice(0, -1))
  bearer('with a character more', `${good}0`)
  const revoked = await auth.tokens.create('robot', { label: 'x' })
  await auth.tokens.revoke(revoked.info.id)
  bearer('revoked', revoked.token)
  bearer('from before a new password', await create('changed robot'))
  await auth.users.setPassword('changed robot', PASSWORD)
  bearer('of a disabled user', await create('disabled robot'))
  await auth.users.disable('disabled robot')
  const near = await create('robot', { networks: ['10.0.0.0/8'] })
  bearer('from another network', near, { address: '192.0.2.1' })
  bearer('from its network', near, { address: '10.1.2.3' })
  const x5tS256 = Buffer.from(OWN.fingerprint, 'hex').toString('base64url')
  const bound = await create('robot', { x5tS256 })
  bearer('bound to a certificate, without one', bound)
  bearer('bound to a certificate, with another', bound, { certificate: OTHER })
  bearer('bound to a certificate, with it', bound, { certificate: OWN })
  header('as a password of Basic', 'authorization', basic(`robot:${good}`))
  header('as a user of Basic', 'authorization', basic(`${good}:`))
  header('without a scheme', 'authorization', good)
  header('with the scheme Token', 'authorization', `Token ${good}`)
  header('with the scheme DPoP', 'authorization', `DPoP ${good}`)
  header('with nothing behind Bearer', 'authorization', 'Bearer ')
  header('twice in one header', 'authorization', `Bearer ${good}, Bearer ${good}`)
  header('with a header of 10,000 characters', 'authorization', `Bearer ${'a'.repeat(10_000)}`)
  made.set('in the query', { query: { access_token: good } })
  made.set('in a form', { form: { access_token: good } })
  made.set('in a cookie', { cookie: `__Host-countersign-sid=${good}; countersign-sid=${good}` })
  header('in X-Api-Key', 'x-api-key', good)
  header('in Proxy-Authorization', 'proxy-authorization', `Bearer ${good}`)
  const db = store.database<{ auth_credential: { hash: string } }>()
  const row = await db.selectFrom('auth_credential').select('hash').executeTakeFirstOrThrow()
  bearer('its hash as the database has it', row.hash)
  // A clock that goes on for a day would end the sessions: this one is made old by hand.
  const expired = await auth.tokens.create('robot', { label: 'x', days: 1 })
  const rows = store.database<{ auth_credential: { id: string; expires: number } }>()
  await rows
    .updateTable('auth_credential')
    .set({ expires: direct.now().getTime() })
    .where('id', '=', expired.info.id)
    .execute()
  bearer('expired', expired.token)
}

/** A token of another service. */
async function openDirectAlone(serviceName: string): Promise<{ token: string } & AsyncDisposable> {
  const hooks: (() => void | Promise<void>)[] = []
  const { auth } = await openDirect((hook) => hooks.push(hook), { serviceName })
  await auth.users.add({ name: 'robot', kind: 'service' })
  const { token } = await auth.tokens.create('robot', { label: 'x' })
  return {
    token,
    [Symbol.asyncDispose]: async () => {
      for (const hook of hooks) await hook()
    },
  }
}
