import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { temporaryFolder } from '@countersign/testkit'
import { parseHosts } from '../src/serve/hosts-file.ts'
import { givenLimits } from '../src/serve/limits.ts'
import { permitRule } from '../src/serve/permit.ts'
import { ticketSecret } from '../src/serve/ticket-secret.ts'

const folder = temporaryFolder(after)

describe('serve --limit and --block', () => {
  it('take sizes, times and numbers, for the server and for the upstream', () => {
    const limit = ['bodyBytes=100M', 'idleMs=30s', 'connections=50', 'upstream.headersMs=5m']
    assert.deepEqual(givenLimits({ limit, block: ['192.0.2.0/24'] }), {
      server: {
        bodyBytes: 100 * 2 ** 20,
        idleMs: 30_000,
        connections: 50,
        blockList: ['192.0.2.0/24'],
      },
      upstream: { headersMs: 300_000 },
    })
    assert.deepEqual(givenLimits({}), { server: undefined, upstream: undefined })
  })

  for (const [given, words] of [
    ['bodybytes=1', /names no limit/],
    ['bodyBytes', /bodyBytes is ""/],
    ['constructor=1', /names no limit/],
    ['bodyBytes=', /bodyBytes is ""/],
    ['bodyBytes=-1', /bodyBytes is "-1"/],
    ['bodyBytes=30s', /bodyBytes is "30s"/],
    ['idleMs=1M', /idleMs is "1M"/],
    ['connections=1K', /connections is "1K"/],
  ] as const) {
    it(`refuse ${given}`, () => {
      assert.throws(() => givenLimits({ limit: [given] }), { message: words })
    })
  }
})

it('serve --limit names what was meant', () => {
  assert.throws(() => givenLimits({ limit: ['bodyByte=1'] }), { hint: 'did you mean bodyBytes?' })
  assert.throws(() => givenLimits({ limit: ['bodyBytes'] }), {
    hint: 'it takes a number, or one with K, M or G',
  })
})

describe('serve --permit', () => {
  it('takes any value of one name, and all names', () => {
    assert.deepEqual(permitRule(['dns=a.corp', 'spiffe=spiffe://corp/a=b', 'dns=b.corp']), {
      dns: ['a.corp', 'b.corp'],
      spiffe: ['spiffe://corp/a=b'],
    })
    assert.equal(permitRule(undefined), undefined)
  })

  for (const given of ['dns', 'dns=', 'cn=ada', '=a', '__proto__=a']) {
    it(`refuses ${given}`, () => {
      assert.throws(() => permitRule([given]), { code: 'usage', message: /names nobody/ })
    })
  }
})

describe('serve --ticket-secret', () => {
  it('takes a file of 32 bytes that not everybody may read', () => {
    const file = path.join(folder, 'secret')
    writeFileSync(file, new Uint8Array(32).fill(7), { mode: 0o600 })
    assert.equal(ticketSecret(file).secret?.length, 32)
    chmodSync(file, 0o644)
    assert.throws(() => ticketSecret(file), { code: 'usage', message: /everybody may read/ })
    writeFileSync(file, 'short')
    // Longer, before it is anything else.
    assert.throws(() => ticketSecret(file), {
      code: 'usage',
      message: /5 bytes long/,
      hint: /openssl rand/,
    })
    assert.throws(() => ticketSecret(path.join(folder, 'none')), {
      code: 'usage',
      message: /there is no file/,
    })
    assert.throws(() => ticketSecret(folder), { code: 'usage', message: /there is no file/ })
  })
})

describe('serve --hosts', () => {
  it('reads hosts, with paths beside the file', () => {
    const text = `["ops.corp"]
cert = "ops.crt"
key = "/etc/ops.key"
verifyUser = "ask"
permit = { spiffe = ["spiffe://corp/a", "spiffe://corp/b"] }
crl = ["ops.crl", "http://ca.corp/ops.crl"]
crlGrace = "24h"
["*.open.corp"]
verifyUser = false
`
    assert.deepEqual(parseHosts(text, '/srv/hosts.toml'), {
      'ops.corp': {
        cert: '/srv/ops.crt',
        key: '/etc/ops.key',
        ca: undefined,
        verifyUser: 'ask',
        permit: { spiffe: ['spiffe://corp/a', 'spiffe://corp/b'] },
        crl: ['/srv/ops.crl', 'http://ca.corp/ops.crl'],
        revocation: { depth: 'chain', stale: 86_400_000 },
      },
      '*.open.corp': {
        cert: undefined,
        key: undefined,
        ca: undefined,
        crl: undefined,
        verifyUser: false,
        revocation: undefined,
      },
    })
  })

  for (const [text, words] of [
    ['[ops', /line 1, column \d+: not valid TOML/],
    ['["ops.corp"]\nverify = true', /Unrecognized key: "verify"/],
    ['["ops.corp"]\nverifyUser = "maybe"', /ops\.corp/],
    ['["ops.corp"]\npermit = { cn = "ada" }', /cn/],
    ['["ops.corp"]\nca = ["a"]', /ca/],
    ['verifyUser = true', /expected object/],
    // Without its quotes it is a table in a table.
    ['[ops.corp]\nverifyUser = true', /corp/],
  ] as const) {
    it(`refuse ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseHosts(text, 'hosts.toml'), {
        code: 'configuration-invalid',
        message: words,
      })
    })
  }
})
