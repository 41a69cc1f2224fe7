import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  type Asker,
  type Authority,
  openAuthority,
  type ProfileName,
  type RequesterRule,
} from '@countersign/authority'
import { scrubProcess } from '@countersign/testkit'
import { type GeneralName, type KeyType, parseGeneralName, PrivateKey } from '@countersign/x509'
import { codeOf, leafKey, serverRequest, suiteAuthority } from './fixture.ts'

scrubProcess()

const P384 = PrivateKey.generateSync('p384')

/** The rules that the table is about. */
const RULES: readonly RequesterRule[] = [
  { who: ['role:web'], names: ['.web.internal', '10.1.0.0/16', 'fd00:1::/32'], maxDays: 30 },
  { who: ['role:wild'], names: ['*.apps.internal', '.deep.internal'], wildcards: true },
  { who: ['role:plain'], names: ['*.apps.internal'] },
  { who: ['user:ann'], names: ['api.corp.internal', '10.2.0.7'], keyTypes: ['p384'] },
  {
    who: ['role:mail'],
    names: ['@corp.internal', 'ops@other.internal'],
    profiles: ['client'],
  },
  {
    who: ['role:mesh'],
    names: ['spiffe://corp.internal/team/', 'spiffe://corp.internal/web'],
    profiles: ['client'],
  },
  { who: ['role:self'], names: ['own'], profiles: ['client'] },
  { who: ['role:hosts'], names: ['hosts'] },
  { who: ['role:any'], names: ['any'], profiles: ['server', 'client'] },
  { who: ['role:short'], names: ['hosts'], maxDays: 1 },
  { who: ['acme:known'], names: ['own'], wildcards: true },
  { who: ['acme:fixed'], names: ['.web.internal'] },
  { who: ['token:*'], names: ['own'], profiles: ['server', 'client'], wildcards: true },
  { who: ['certificate:gw.corp.internal'], names: ['own'] },
]

/** Somebody who asks; `own` as texts. */
interface Who {
  readonly via: Asker['via']
  readonly name?: string
  readonly roles?: readonly string[]
  readonly own?: readonly string[]
}

interface Row {
  readonly who: Who
  readonly names: readonly string[]
  readonly profile?: ProfileName
  readonly key?: KeyType
  readonly days?: number
}

/** What is allowed, what is refused beside it, and by which code. */
const TABLE: readonly (readonly [claim: string, allowed: Row, refused: Row, code: string])[] = [
  ['a domain itself', web('web.internal'), web('web.internal.evil.test'), 'name-refused'],
  ['what is below a domain', web('a.b.web.internal'), web('aweb.internal'), 'name-refused'],
  ['a host in any case', web('A.WEB.internal'), web('A.WEB.intern'), 'name-refused'],
  ['a host without a last dot', web('a.web.internal'), web('a.web.internal.'), 'name-invalid'],
  ['no wildcard unasked', web('a.web.internal'), web('*.web.internal'), 'name-refused'],
  ['an address of the range', web('10.1.2.3'), web('10.2.0.1'), 'name-refused'],
  ['the first address of the range', web('10.1.0.0'), web('10.0.255.255'), 'name-refused'],
  ['the last address of the range', web('10.1.255.255'), web('10.2.0.0'), 'name-refused'],
  ['an IPv6 address of the range', web('fd00:1::9'), web('fd00:2::9'), 'name-refused'],
  ['families apart', web('10.1.0.1'), web('::10.1.0.1'), 'name-refused'],
  ['no IPv4 in disguise', web('10.1.0.1'), web('::ffff:10.1.0.1'), 'name-invalid'],
  ['an address in one notation', web('10.1.0.1'), web('10.1.1'), 'name-invalid'],
  [
    'all names by one rule',
    web('a.web.internal', '10.1.0.1'),
    web('a.web.internal', 'b.test'),
    'name-refused',
  ],
  ['no name of another role', web('a.web.internal'), web('x.apps.internal'), 'name-refused'],
  [
    'one profile',
    web('a.web.internal'),
    { ...web('a.web.internal'), profile: 'client' },
    'profile-refused',
  ],
  [
    'one profile, which is not both',
    web('a.web.internal'),
    { ...web('a.web.internal'), profile: 'both' },
    'profile-refused',
  ],
  [
    'a lifetime up to the rule’s',
    { ...web('a.web.internal'), days: 30 },
    { ...web('a.web.internal'), days: 31 },
    'days-invalid',
  ],
  [
    'a lifetime of more than nothing',
    { ...web('a.web.internal'), days: 1 },
    { ...web('a.web.internal'), days: 0 },
    'days-invalid',
  ],
  [
    'a short lifetime',
    { ...role('short', 'a.test'), days: 1 },
    { ...role('short', 'a.test'), days: 2 },
    'days-invalid',
  ],
  [
    'a wildcard where one is allowed',
    role('wild', '*.apps.internal'),
    role('plain', '*.apps.internal'),
    'name-refused',
  ],
  [
    'one label below',
    role('plain', 'x.apps.internal'),
    role('plain', 'y.x.apps.internal'),
    'name-refused',
  ],
  [
    'below, and not itself',
    role('plain', 'x.apps.internal'),
    role('plain', 'apps.internal'),
    'name-refused',
  ],
  [
    'a wildcard of one label',
    role('wild', '*.apps.internal'),
    role('wild', '*.x.apps.internal'),
    'name-refused',
  ],
  [
    'a wildcard below a domain',
    role('wild', '*.x.deep.internal'),
    role('wild', '*.shallow.internal'),
    'name-refused',
  ],
  [
    'a wildcard at a domain',
    role('wild', '*.deep.internal'),
    role('wild', '*.internal'),
    'wildcard-too-wide',
  ],
  ['no wildcard by hosts', role('hosts', 'x.test'), role('hosts', '*.x.test'), 'name-refused'],
  ['no address by hosts', role('hosts', 'x.test'), role('hosts', '10.0.0.1'), 'name-refused'],
  [
    'no client by hosts',
    role('hosts', 'x.test'),
    client(role('hosts', 'spiffe://corp.internal/x')),
    'profile-refused',
  ],
  [
    'everything by any',
    role('any', 'x.test', '10.0.0.1', 'https://x.test/y'),
    role('any', '*.x.test'),
    'name-refused',
  ],
  [
    'a mailbox by any',
    client(role('any', 'ann@x.test')),
    role('any', 'ann@x.test'),
    'name-invalid',
  ],
  ['one host exactly', ann('api.corp.internal'), ann('api2.corp.internal'), 'name-refused'],
  ['one host, nothing below', ann('api.corp.internal'), ann('x.api.corp.internal'), 'name-refused'],
  ['one address exactly', ann('10.2.0.7'), ann('10.2.0.8'), 'name-refused'],
  [
    'one type of key',
    ann('api.corp.internal'),
    { ...ann('api.corp.internal'), key: 'p256' },
    'key-refused',
  ],
  [
    'one user',
    ann('api.corp.internal'),
    { ...ann('api.corp.internal'), who: user('bob') },
    'requester-refused',
  ],
  [
    'a user’s name, case and all',
    ann('api.corp.internal'),
    { ...ann('api.corp.internal'), who: user('Ann') },
    'requester-refused',
  ],
  [
    'a user, and no account of that name',
    ann('api.corp.internal'),
    { ...ann('api.corp.internal'), who: { via: 'acme', name: 'ann' } },
    'requester-refused',
  ],
  [
    'a user, and no role of that name',
    ann('api.corp.internal'),
    { ...ann('api.corp.internal'), who: user('x', 'ann') },
    'requester-refused',
  ],
  [
    'a role, and no user of that name',
    web('a.web.internal'),
    { ...web('a.web.internal'), who: user('web') },
    'requester-refused',
  ],
  [
    'a mailbox at a domain',
    client(role('mail', 'a@corp.internal')),
    client(role('mail', 'a@sub.corp.internal')),
    'name-refused',
  ],
  [
    'a mailbox, domain in any case',
    client(role('mail', 'a@CORP.internal')),
    client(role('mail', 'a@corp.internal.evil.test')),
    'name-refused',
  ],
  [
    'one mailbox',
    client(role('mail', 'ops@other.internal')),
    client(role('mail', 'root@other.internal')),
    'name-refused',
  ],
  [
    'one mailbox, case and all',
    client(role('mail', 'ops@Other.internal')),
    client(role('mail', 'OPS@other.internal')),
    'name-refused',
  ],
  [
    'a mailbox, and not its host',
    client(role('mail', 'a@corp.internal')),
    client(role('mail', 'https://corp.internal/')),
    'name-refused',
  ],
  [
    'an identity below a path',
    client(role('mesh', 'spiffe://corp.internal/team/a')),
    client(role('mesh', 'spiffe://corp.internal/teamster')),
    'name-refused',
  ],
  [
    'an identity deep below',
    client(role('mesh', 'spiffe://corp.internal/team/a/b')),
    client(role('mesh', 'spiffe://corp.internal/other/a')),
    'name-refused',
  ],
  [
    'below a path, not itself',
    client(role('mesh', 'spiffe://corp.internal/team/a')),
    client(role('mesh', 'spiffe://corp.internal/team')),
    'name-refused',
  ],
  [
    'a path without dots',
    client(role('mesh', 'spiffe://corp.internal/team/a')),
    client(role('mesh', 'spiffe://corp.internal/team/../web')),
    'name-invalid',
  ],
  [
    'a path in plain letters',
    client(role('mesh', 'spiffe://corp.internal/team/a')),
    client(role('mesh', 'spiffe://corp.internal/team/%2e')),
    'name-invalid',
  ],
  [
    'a path in its case',
    client(role('mesh', 'spiffe://corp.internal/team/a')),
    client(role('mesh', 'spiffe://corp.internal/Team/a')),
    'name-refused',
  ],
  [
    'one trust domain',
    client(role('mesh', 'spiffe://Corp.internal/web')),
    client(role('mesh', 'spiffe://corp.internal.evil/web')),
    'name-refused',
  ],
  [
    'one identity',
    client(role('mesh', 'spiffe://corp.internal/web')),
    client(role('mesh', 'spiffe://corp.internal/web2')),
    'name-refused',
  ],
  [
    'one identity, nothing below',
    client(role('mesh', 'spiffe://corp.internal/web')),
    client(role('mesh', 'spiffe://corp.internal/web/x')),
    'name-refused',
  ],
  [
    'a user as itself',
    client(self('ann', 'spiffe://countersign.internal/ann')),
    client(self('ann', 'spiffe://countersign.internal/bob')),
    'name-refused',
  ],
  [
    'a user by its plain name',
    client(self('ann', 'ann')),
    client(self('ann', 'admin')),
    'name-refused',
  ],
  [
    'an account what it has proven',
    acme('known', ['a.test'], 'a.test'),
    acme('known', ['a.test'], 'b.test'),
    'name-refused',
  ],
  [
    'an account a proven wildcard',
    acme('known', ['*.a.test'], '*.a.test'),
    acme('known', ['a.test'], '*.a.test'),
    'name-refused',
  ],
  [
    'an account an address',
    acme('known', ['10.0.0.1'], '10.0.0.1'),
    acme('known', ['10.0.0.1'], '10.0.0.2'),
    'name-refused',
  ],
  [
    'an account its names only',
    acme('fixed', ['a.web.internal'], 'a.web.internal'),
    acme('fixed', ['b.test'], 'b.test'),
    'name-refused',
  ],
  [
    'an account there is a rule for',
    acme('known', ['a.test'], 'a.test'),
    acme('other', ['a.test'], 'a.test'),
    'requester-refused',
  ],
  [
    'an account servers only',
    acme('known', ['a.test'], 'a.test'),
    client(acme('known', ['a.test'], 'a.test')),
    'profile-refused',
  ],
  [
    'a token its names',
    token(['a.test', '*.b.test'], '*.b.test'),
    token(['a.test', '*.b.test'], 'x.b.test'),
    'name-refused',
  ],
  [
    'a token part of its names',
    token(['a.test', 'b.test'], 'a.test'),
    token(['a.test'], 'a.test', 'b.test'),
    'name-refused',
  ],
  [
    'a certificate its names',
    holder('gw.corp.internal', 'gw.corp.internal'),
    holder('gw.corp.internal', 'x.corp.internal'),
    'name-refused',
  ],
  [
    'a certificate there is a rule for',
    holder('gw.corp.internal', 'gw.corp.internal'),
    holder('x.corp.internal', 'x.corp.internal'),
    'requester-refused',
  ],
  [
    'an administrator everything',
    { who: user('root', 'admin'), names: ['*.x.test', '10.0.0.1'] },
    { who: user('root', 'viewer'), names: ['x.test'] },
    'requester-refused',
  ],
  [
    'an administrator who is a user',
    { who: user('root', 'admin'), names: ['x.test'] },
    { who: { via: 'token', name: 't', roles: ['admin'], own: [] }, names: ['x.test'] },
    'name-refused',
  ],
  [
    'the operator everything',
    { who: { via: 'operator' }, names: ['*.x.test', '10.0.0.1'] },
    { who: user('operator'), names: ['x.test'] },
    'requester-refused',
  ],
]

describe('the rules for requesters', () => {
  const suite = suiteAuthority()

  async function withRules(rules: readonly RequesterRule[] | undefined): Promise<Authority> {
    const { store, folder } = suite.current
    return await openAuthority({ store, folder, policy: { rules } })
  }

  it(`allow each of ${TABLE.length} requests and refuse its twin`, async () => {
    const authority = await withRules(RULES)
    for (const [claim, allowed, refused, code] of TABLE) {
      assert.equal(await verdict(authority, allowed), 'none', claim)
      assert.equal(await verdict(authority, refused), code, `${claim}: the twin`)
    }
    assert.ok(TABLE.length >= 60)
  })

  it('name in a refusal who, what and the name', async () => {
    const authority = await withRules(RULES)
    await assert.rejects(issue(authority, web('a.web.internal', 'b.test')), {
      code: 'name-refused',
      refusedName: 'b.test',
      message: 'the user "somebody" may not ask for "b.test"',
    })
  })

  it('hold for every request of a batch, which is issued whole or not at all', async () => {
    const authority = await withRules(RULES)
    const by = { via: 'user', name: 'w', roles: ['web'] } as const
    const request = (name: string): ReturnType<typeof serverRequest> =>
      serverRequest({ names: [name], requester: 'batch', by })
    const batch = [request('a.web.internal'), request('b.test')]
    assert.equal(await codeOf(authority.issueMany(batch)), 'name-refused')
    assert.deepEqual(await authority.list({ search: 'batch' }), [])
    assert.equal((await authority.issueMany(batch.slice(0, 1))).length, 1)
  })

  it('let nobody but operator and administrators ask where the list is empty', async () => {
    const authority = await withRules([])
    assert.equal(await verdict(authority, web('a.web.internal')), 'requester-refused')
    assert.equal(await verdict(authority, token(['a.test'], 'a.test')), 'requester-refused')
    assert.equal(authority.mayAsk({ via: 'user', name: 'i', roles: ['issuer'] }), false)
    assert.equal(authority.mayAsk({ via: 'user', name: 'i', roles: ['admin'] }), true)
  })

  it('give by default what is proven, and host names of servers to issuers', async () => {
    const authority = await withRules(undefined)
    const issuer = (...names: readonly string[]): Row => role('issuer', ...names)
    assert.equal(await verdict(authority, issuer('a.test')), 'none')
    for (const name of ['*.a.test', '10.0.0.1', 'spiffe://corp.internal/x']) {
      assert.equal(await verdict(authority, issuer(name)), 'name-refused', name)
    }
    assert.equal(await verdict(authority, client(issuer('ann'))), 'profile-refused')
    assert.equal(await verdict(authority, acme('x', ['*.a.test'], '*.a.test')), 'none')
    assert.equal(await verdict(authority, role('viewer', 'a.test')), 'requester-refused')
  })

  it('say before an order whether a name is allowed', async () => {
    const authority = await withRules(RULES)
    assert.equal(authority.permits('a.web.internal', accountOf('fixed', 'a.web.internal')), true)
    assert.equal(authority.permits('b.test', accountOf('fixed', 'b.test')), false)
    assert.equal(authority.permits('b.test', accountOf('other', 'b.test')), false)
    assert.equal(authority.permits('b.test'), true)
  })

  it('are refused where they are misspelt or make no sense', async () => {
    const rows: readonly (readonly [object, string])[] = [
      [{ who: ['role:a'], names: ['a.test'], wildcard: true }, 'option-unknown'],
      [{ who: [], names: ['a.test'] }, 'option-invalid'],
      [{ who: ['role:a'], names: [] }, 'option-invalid'],
      [{ who: 'role:a', names: ['a.test'] }, 'option-invalid'],
      [{ who: ['role:*'], names: ['a.test'] }, 'option-invalid'],
      [{ who: ['everybody'], names: ['a.test'] }, 'option-invalid'],
      [{ who: ['admin:a'], names: ['a.test'] }, 'option-invalid'],
      [{ who: ['role:a\u0000'], names: ['a.test'] }, 'option-invalid'],
      [{ who: ['role:a'], names: ['*'] }, 'option-invalid'],
      [{ who: ['role:a'], names: ['*.*.test'] }, 'option-invalid'],
      [{ who: ['role:a'], names: ['10.0.0.1/8'] }, 'option-invalid'],
      [{ who: ['role:a'], names: ['https://a.test/'] }, 'option-invalid'],
      [{ who: ['role:a'], names: ['spiffe://a.test/../'] }, 'option-invalid'],
      [{ who: ['role:a'], names: ['@*.test'] }, 'option-invalid'],
      [{ who: ['role:a'], names: ['a.test'], profiles: ['code'] }, 'profile-unknown'],
      [{ who: ['role:a'], names: ['a.test'], keyTypes: ['dsa'] }, 'option-invalid'],
      [{ who: ['role:a'], names: ['a.test'], maxDays: 0 }, 'option-invalid'],
      [{ who: ['role:a'], names: ['a.test'], maxDays: Number.NaN }, 'option-invalid'],
      [{ who: ['role:a'], names: ['a.test'], wildcards: 'yes' }, 'option-invalid'],
    ]
    for (const [rule, code] of rows) {
      const wrong = { who: [], names: [], ...rule }
      assert.equal(await codeOf(withRules([wrong])), code, JSON.stringify(rule))
    }
    const many = Array.from({ length: 201 }, () => ({ who: ['role:a'], names: ['a.test'] }))
    assert.equal(await codeOf(withRules(many)), 'option-invalid')
  })
})

async function verdict(authority: Authority, row: Row): Promise<string> {
  return await codeOf(issue(authority, row))
}

async function issue(authority: Authority, row: Row): Promise<unknown> {
  const { who, names, profile = 'server', key = 'p256', days } = row
  const { publicKey } = key === 'p384' ? P384 : leafKey
  return await authority.issue(
    serverRequest({ names, profile, days, publicKey, by: askerOf(who), requester: 'rules' }),
  )
}

function askerOf({ via, name = 'somebody', roles, own = [] }: Who): Asker {
  return { via, name, roles, own: own.map((text): GeneralName => parseGeneralName(text)) }
}

function accountOf(name: string, ...proven: readonly string[]): Asker {
  return askerOf({ via: 'acme', name, own: proven })
}

function user(name: string, ...roles: readonly string[]): Who {
  return { via: 'user', name, roles }
}

function role(name: string, ...names: readonly string[]): Row {
  return { who: user('somebody', name), names }
}

function web(...names: readonly string[]): Row {
  return role('web', ...names)
}

function ann(...names: readonly string[]): Row {
  return { who: user('ann'), names, key: 'p384' }
}

function self(name: string, ...names: readonly string[]): Row {
  const id = `spiffe://countersign.internal/${name}`
  return { who: { ...user(name, 'self'), own: [id] }, names }
}

function acme(name: string, proven: readonly string[], ...names: readonly string[]): Row {
  return { who: { via: 'acme', name, own: proven }, names }
}

function token(made: readonly string[], ...names: readonly string[]): Row {
  return { who: { via: 'token', name: 't', own: made }, names }
}

function holder(name: string, ...names: readonly string[]): Row {
  return { who: { via: 'certificate', name, own: [name] }, names }
}

function client(row: Row): Row {
  return { ...row, profile: 'client' }
}
