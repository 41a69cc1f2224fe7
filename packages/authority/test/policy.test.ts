import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openAuthority, type PolicyOptions } from '@countersign/authority'
import { scrubProcess } from '@countersign/testkit'
import { codeOf, serverRequest, suiteAuthority } from './fixture.ts'

scrubProcess()

describe('the policy', () => {
  const suite = suiteAuthority()

  /** What a request for these names is answered: `none` where it is signed. */
  async function verdict(names: readonly string[], policy?: PolicyOptions): Promise<string> {
    const profile = names.some((name) => name.includes('@')) ? 'client' : 'server'
    const { store, folder } = suite.current
    const authority =
      policy === undefined
        ? suite.current.authority
        : await openAuthority({ store, folder, policy })
    return await codeOf(authority.issue(serverRequest({ names, profile })))
  }

  it('allows every valid name by default', async () => {
    const names = [
      'localhost',
      'api.corp.internal',
      '*.corp.internal',
      '10.0.0.1',
      '::1',
      'bücher.test',
    ]
    assert.equal(await verdict(names), 'none')
  })

  it('refuses a wildcard that stands for a whole top level', async () => {
    for (const name of ['*.internal', '*.com', '*.xn--p1ai']) {
      assert.equal(await verdict([name]), 'wildcard-too-wide', name)
    }
    assert.equal(await verdict(['*']), 'name-invalid')
    assert.equal(await verdict(['*.corp.internal']), 'none')
  })

  it('allows only what is listed, each kind by itself', async () => {
    const allow = ['.Corp.Internal', '10.0.0.0/8', '@corp.internal', 'spiffe://corp.internal']
    for (const name of [
      'corp.internal',
      'a.b.corp.internal',
      '*.corp.internal',
      '10.255.0.1',
      'ann@corp.internal',
      'spiffe://corp.internal/api',
    ]) {
      assert.equal(await verdict([name], { allow }), 'none', name)
    }
    for (const name of [
      'corp.internal.evil.test',
      'evilcorp.internal',
      'internal',
      '11.0.0.1',
      '::1',
      'ann@a.corp.internal',
      'spiffe://corp.internal.evil/api',
      'spiffe://evil/corp.internal',
      'https://a.corp.internal/',
    ]) {
      assert.equal(await verdict([name], { allow }), 'name-refused', name)
    }
    assert.equal(await verdict(['corp.internal', 'evil.test'], { allow }), 'name-refused')
    assert.equal(await verdict(['corp.internal'], { allow: [] }), 'name-refused')
  })

  it('lets a wildcard in only where everything it stands for is allowed', async () => {
    assert.equal(
      await verdict(['*.corp.internal'], { allow: ['.a.corp.internal'] }),
      'name-refused',
    )
    assert.equal(await verdict(['*.corp.internal'], { wildcards: false }), 'name-refused')
  })

  it('keeps the families of addresses apart', async () => {
    assert.equal(await verdict(['10.0.0.1'], { allow: ['0.0.0.0/0'] }), 'none')
    assert.equal(await verdict(['::1'], { allow: ['0.0.0.0/0'] }), 'name-refused')
    assert.equal(await verdict(['::ffff:10.0.0.1'], { allow: ['0.0.0.0/0'] }), 'name-invalid')
  })

  it('refuses options that are misspelt or make no sense', async () => {
    const { store, folder } = suite.current
    const open = (policy: PolicyOptions): Promise<string> =>
      codeOf(openAuthority({ store, folder, policy }))
    assert.equal(await open(Object.assign({ maxDays: 2 }, { maxDay: 3 })), 'option-unknown')
    for (const policy of [{ maxDays: 0 }, { maxDays: 4000 }, { maxNames: 0 }, { maxNames: 1.5 }]) {
      assert.equal(await open(policy), 'option-invalid')
    }
    for (const entry of [
      '',
      '.',
      '*.corp.internal',
      'corp..internal',
      'corp.internal/24',
      '10.0.0.1/8',
      '10.0.0.0/33',
      '10.0.0.0/8/9',
      'fd00::/129',
      'ann@corp.internal',
      'spiffe://corp.internal/path',
      'a b',
    ]) {
      assert.equal(await open({ allow: [entry] }), 'option-invalid', entry)
    }
  })
})
