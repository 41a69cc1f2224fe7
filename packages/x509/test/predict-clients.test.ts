import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseGeneralName, predictClients } from '../src/index.ts'
import { CLIENTS, MORE, TABLE } from './client-table.ts'
import { authority, HOST, leafOf, listOf, NOW } from './verify-world.ts'

describe('predictClients', () => {
  for (const { what, sent, roots, name, refusedBy } of [...TABLE, ...MORE]) {
    const who = refusedBy.length === 0 ? 'nobody' : refusedBy.join(', ')
    it(`says that ${what} is refused by ${refusedBy.length === CLIENTS.length ? 'all' : who}`, () => {
      const [leaf, ...intermediates] = sent
      assert.ok(leaf)
      const predictions = predictClients({ leaf, intermediates, roots, name })
      assert.deepEqual(
        predictions.map(({ client }) => client),
        CLIENTS,
      )
      const refused = predictions.filter(({ ok }) => !ok)
      assert.deepEqual(
        refused.map(({ client }) => client),
        refusedBy,
        refused.map(({ client, message }) => `${client}: ${message}`).join('\n'),
      )
      for (const { code, message = '', rule } of refused) {
        assert.equal(rule !== undefined, code === 'rejected-by-policy')
        assert.doesNotMatch(message, /^$|\.$|undefined|\[object/)
      }
    })
  }

  const root = authority('Example Root')
  const issuing = authority('Example Issuing', root)
  const plain = { intermediates: issuing.certificate, roots: root.certificate, time: NOW }

  it('asks those who stand as servers about a client, and none of them for a name', () => {
    const leaf = leafOf(issuing, {
      extendedKeyUsage: ['clientAuth'],
      subjectAltNames: [parseGeneralName('ada@corp.internal')],
    })
    const name = { email: 'bob@corp.internal' }
    const all = predictClients({ ...plain, leaf, purpose: 'client', name })
    assert.deepEqual(
      all.map(({ client, ok }) => [client, ok]),
      ['node', 'python', 'python-strict', 'go', 'java'].map((client) => [client, true]),
    )
    const asServer = predictClients({ ...plain, leaf })
    assert.deepEqual([...new Set(asServer.map(({ code }) => code))], ['wrong-purpose'])
  })

  it('gives lists to those on OpenSSL alone, who want one of every authority', () => {
    const leaf = leafOf(issuing)
    const crls = [listOf(issuing, [leaf.serialNumber], []), listOf(root, [], [])]
    const codes = (given: typeof crls): (string | undefined)[] =>
      predictClients({ ...plain, leaf, crls: given }).map(({ code }) => code)
    const own = [undefined, undefined, undefined, undefined]
    assert.deepEqual(codes(crls), ['revoked', 'revoked', 'revoked', 'revoked', ...own])
    const missing = 'crl-missing'
    assert.deepEqual(codes(crls.slice(1)), [missing, missing, missing, missing, ...own])
  })

  it('names the certificate and the rule, and who was measured', () => {
    const leaf = leafOf(issuing, { authorityKeyId: new Uint8Array(20) })
    const [node, , , strict] = predictClients({ ...plain, leaf, name: { dns: HOST } })
    assert.equal(node?.name, 'Node 24')
    assert.equal(node.code, 'key-mismatch')
    assert.equal(strict?.name, 'Python 3.13')
    const bare = authority('Bare', undefined, { ca: { pathLength: 3 } })
    const ok = predictClients({ leaf: leafOf(bare), roots: bare.certificate, time: NOW })
    assert.ok(
      ok.every((one) => one.ok && one.message === undefined && one.certificate === undefined),
    )
  })

  it('refuses the options that verifyChain refuses', () => {
    const leaf = leafOf(issuing)
    // @ts-expect-error: what a caller without a type checker may give
    assert.throws(() => predictClients({ ...plain, leaf, root: [] }), { code: 'option-unknown' })
    assert.throws(() => predictClients({ ...plain, leaf: 'nothing' }), { code: 'pem-empty' })
  })
})
