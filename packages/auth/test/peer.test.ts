import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type AuthPeer, createAuth } from '@countersign/auth'
import { openStore } from '@countersign/store'
import { scrubProcess } from '@countersign/testkit'
import { isLoopback, isLoopbackHost, networkOf } from '../src/peer.ts'
import { PASSWORD, startService } from './service.ts'

scrubProcess()

describe('an address', () => {
  it('belongs to a network: itself for IPv4, the /64 for IPv6', () => {
    const table = [
      ['192.0.2.7', '192.0.2.7'],
      ['::ffff:192.0.2.7', '192.0.2.7'],
      ['::ffff:c000:207', '192.0.2.7'],
      ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
      ['2001:db8:1:2::', '2001:db8:1:2::/64'],
      ['2001:0db8:0001:0002::ffff', '2001:db8:1:2::/64'],
      ['2001:db8::1', '2001:db8:0:0::/64'],
      ['::1', '0:0:0:0::/64'],
      ['fe80::1%eth0', 'fe80:0:0:0::/64'],
      ['64:ff9b::192.0.2.33', '64:ff9b:0:0::/64'],
      ['nonsense', 'unknown'],
      [undefined, 'unknown'],
    ] as const
    for (const [address, network] of table) assert.equal(networkOf(address), network, address)
  })

  it('is loopback or not, whatever it looks like', () => {
    for (const address of ['127.0.0.1', '127.255.0.1', '::1', '::ffff:127.0.0.1']) {
      assert.equal(isLoopback(address), true, address)
    }
    for (const address of ['128.0.0.1', '::2', '0.0.0.0', '::', '127.0.0.1.evil', '', undefined]) {
      assert.equal(isLoopback(address), false, address)
    }
    assert.equal(isLoopbackHost('localhost'), true)
    assert.equal(isLoopbackHost('localhost.evil.example'), false)
  })
})

describe('protect', () => {
  it('wraps a handler of (request, context), which is called only for who may', async (t) => {
    const service = await startService(t)
    await service.auth.users.add({ name: 'Alice', password: PASSWORD, roles: ['reader'] })
    const cookie = await service.signIn('Alice')
    const called: string[] = []
    const handler = service.auth.protect<{ peer: AuthPeer; extra: string }>(
      (_request, { auth, extra }) => {
        called.push(auth.principal.name)
        return new Response(extra)
      },
      { roles: ['reader', 'writer'] },
    )
    const context = { peer: { address: '127.0.0.1', encrypted: true }, extra: 'kept' }
    const url = 'https://localhost/'
    const admitted = await handler(new Request(url, { headers: { cookie } }), context)
    assert.equal(await admitted.text(), 'kept')
    const refused = await handler(new Request(url), context)
    assert.equal(refused.status, 401)
    assert.deepEqual(called, ['Alice'])
  })

  it('reads the cookie of every request anew where the connection stays the same', async (t) => {
    const service = await startService(t)
    const cookies = []
    for (const name of ['Alice', 'Bob']) {
      await service.auth.users.add({ name, password: PASSWORD })
      cookies.push(await service.signIn(name))
    }
    const handler = service.auth.protect<{ peer: AuthPeer }>(
      (_request, { auth }) => new Response(auth.principal.name),
    )
    const peer = { address: '127.0.0.1', encrypted: true }
    const ask = async (cookie: string, from: AuthPeer = peer): Promise<string> => {
      const answer = await handler(new Request('https://localhost/', { headers: { cookie } }), {
        peer: from,
      })
      return answer.ok ? await answer.text() : String(answer.status)
    }
    const [alice = '', bob = ''] = cookies
    for (const [cookie, answer] of [
      [alice, 'Alice'],
      [bob, 'Bob'],
      [`${bob}; ${alice}`, '401'],
      [bob, 'Bob'],
      ['other=1', '401'],
      [alice, 'Alice'],
      [alice, 'Alice'],
    ] as const) {
      assert.equal(await ask(cookie), answer, cookie)
    }
    const [session] = await service.auth.sessions.list('Alice')
    await service.auth.sessions.revoke(session?.sid ?? '')
    assert.equal(await ask(alice), '401')
    peer.encrypted = false
    assert.equal(await ask(bob), '401')
  })

  it('refuses options nobody knows, by name', async () => {
    await using store = await openStore('sqlite::memory:')
    const auth = await createAuth({ store })
    const misspelt: object = { role: ['admin'] }
    assert.throws(() => auth.guard(misspelt), {
      code: 'option-unknown',
      hint: 'did you mean "roles"?',
    })
  })
})

describe('authenticate', () => {
  it('answers who it is, frozen, and how that is known', async (t) => {
    const service = await startService(t)
    const { id } = await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    const cookie = await service.signIn('Alice')
    const request = new Request('https://localhost/', { headers: { cookie } })
    const who = await service.auth.authenticate(request, { encrypted: true })
    assert.ok('principal' in who)
    assert.deepEqual(who.principal, { id, name: 'Alice', kind: 'user', roles: [] })
    assert.deepEqual([who.via, who.scopes, who.credentialId === who.sid], ['session', '*', true])
    assert.ok(who.authTime instanceof Date)
    assert.throws(() => Object.assign(who.principal, { roles: ['admin'] }), TypeError)
  })
})
