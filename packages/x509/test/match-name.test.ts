import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { GeneralName } from '../src/index.ts'
import { matchesName, type ReferenceName } from '../src/match-name.ts'

const presented: GeneralName[] = [
  { type: 'dns', value: 'Api.corp.internal' },
  { type: 'dns', value: '*.apps.corp.internal' },
  { type: 'dns', value: '*.internal' },
  { type: 'dns', value: 'w*.part.internal' },
  { type: 'dns', value: 'a.*.mid.internal' },
  { type: 'dns', value: '*' },
  { type: 'dns', value: 'xn--bro-hoa.example' },
  { type: 'dns', value: '10.9.9.9' },
  { type: 'dns', value: 'nul\u0000.corp.internal' },
  { type: 'dns', value: 'dot.corp.internal.' },
  { type: 'ip', value: '10.0.0.1' },
  { type: 'ip', value: '2001:db8::1' },
  { type: 'email', value: 'Ann@Example.org' },
  { type: 'uri', value: 'https://uri.corp.internal/' },
]

describe('matchesName', () => {
  const matching: ReferenceName[] = [
    { dns: 'api.corp.internal' },
    { dns: 'API.CORP.INTERNAL' },
    { dns: 'api.corp.internal.' },
    { dns: 'x.apps.corp.internal' },
    { dns: 'xn--bro-hoa.apps.corp.internal' },
    { dns: 'büro.example' },
    { dns: 'BÜRO.example' },
    { ip: '10.0.0.1' },
    { ip: '2001:DB8:0::1' },
    { ip: '[2001:db8::1]' },
    { email: 'Ann@example.ORG' },
  ]
  for (const name of matching) {
    it(`covers ${JSON.stringify(name)}`, () => {
      assert.ok(matchesName(presented, name))
    })
  }

  const other: ReferenceName[] = [
    { dns: 'corp.internal' },
    { dns: 'apps.corp.internal' },
    { dns: 'x.y.apps.corp.internal' },
    { dns: '.apps.corp.internal' },
    { dns: 'corp.internal' },
    { dns: 'x.internal' },
    { dns: 'www.part.internal' },
    { dns: 'a.b.mid.internal' },
    { dns: 'localhost' },
    { dns: '*.apps.corp.internal' },
    { dns: '*' },
    { dns: '' },
    { dns: '.' },
    { dns: 'api.corp.internal..' },
    { dns: '10.0.0.1' },
    { dns: 'nul' },
    { dns: 'uri.corp.internal' },
    { ip: '10.9.9.9' },
    { ip: '10.0.0.2' },
    { ip: '010.0.0.1' },
    { ip: '2001:db8::1%eth0' },
    { ip: 'api.corp.internal' },
    { email: 'ann@example.org' },
    { email: 'example.org' },
    { email: '' },
  ]
  for (const name of other) {
    it(`does not cover ${JSON.stringify(name)}`, () => {
      assert.ok(!matchesName(presented, name))
    })
  }

  it('covers nothing without subject alternative names', () => {
    assert.ok(!matchesName([], { dns: 'api.corp.internal' }))
  })

  it('refuses an unknown kind of name', () => {
    const reference = { dns: 'a.b', host: 'a.b' }
    assert.throws(() => matchesName(presented, reference), { code: 'option-unknown' })
  })
})

describe('matchesName, against tricks', () => {
  it('does not take a letter beyond ASCII for the letter it becomes in lower case', () => {
    assert.equal(
      matchesName([{ type: 'dns', value: 'ban\u212a.example' }], { dns: 'bank.example' }),
      false,
    )
    const email: GeneralName = { type: 'email', value: 'ann@ban\u212a.example' }
    assert.equal(matchesName([email], { email: 'ann@bank.example' }), false)
  })

  it('covers no address by a DNS name, not even where it is asked for as one', () => {
    const names: GeneralName[] = [
      { type: 'dns', value: '*.0.0.1' },
      { type: 'dns', value: '127.0.0.1' },
    ]
    assert.equal(matchesName(names, { dns: '127.0.0.1' }), false)
    assert.equal(matchesName(names, { ip: '127.0.0.1' }), false)
  })
})
