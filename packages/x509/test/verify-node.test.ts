import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { verifyChain } from '../src/index.ts'
import { handshake } from './node-handshake.ts'
import { OPENSSL_CHAINS } from './openssl-chains.ts'
import { HOST } from './verify-world.ts'

describe('the profile openssl beside the TLS of this Node', () => {
  const isKnown = process.version.startsWith('v24.')
  for (const chain of OPENSSL_CHAINS) {
    const options = { skip: isKnown ? false : 'the profile is that of Node 24' }
    it(`says of ${chain.what} what a handshake says`, options, async () => {
      const { sent, roots, crls } = chain
      const [leaf, ...intermediates] = sent
      assert.ok(leaf)
      const verdict = verifyChain({
        leaf,
        intermediates,
        roots,
        name: { dns: HOST },
        crls,
        profile: 'openssl',
      })
      const error = await handshake(chain)
      const said = verdict.ok ? 'accepted' : `${verdict.code}: ${verdict.message}`
      assert.equal(verdict.ok, error === undefined, `ours: ${said}; Node: ${error ?? 'accepted'}`)
    })
  }
})
