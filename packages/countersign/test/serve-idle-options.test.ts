import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ProgramError } from '../src/errors.ts'
import { idleOptions, type ServedMode } from '../src/serve/idle-options.ts'

const HTTP: ServedMode = { https: false, adhoc: false, asks: false }
const HTTPS: ServedMode = { ...HTTP, https: true }
const MUTUAL: ServedMode = { ...HTTPS, asks: true }
const ADHOC: ServedMode = { https: true, adhoc: true, asks: false }

describe('options of serve that are without effect', () => {
  for (const [flags, mode, words] of [
    [{ cert: 'a' }, HTTP, /^--cert is for HTTPS, .*: add --https$/],
    [{ key: 'a' }, HTTP, /^--key is for HTTPS/],
    [{ http2: true }, HTTP, /^--http2 is for HTTPS/],
    [{ ca: 'a' }, HTTPS, /^--ca is about client certificates, .*: add --verify-user$/],
    [{ ca: 'a' }, HTTP, /^--ca is about client certificates, .*: add --https --verify-user$/],
    [{ strict: true }, HTTPS, /^--strict is about/],
    [{ crl: ['a'] }, HTTPS, /^--crl is about/],
    [{ crlLeafOnly: true }, HTTPS, /^--crl-leaf-only is about/],
  ] as const) {
    it(`${Object.keys(flags).join()} is told of: ${words.source}`, () => {
      const [first, ...others] = idleOptions(flags, mode)
      assert.match(first ?? '', words)
      assert.deepEqual(others, [])
    })
  }

  it('are each told of', () => {
    assert.equal(idleOptions({ cert: 'a', key: 'b', ca: 'c', crl: ['d'] }, HTTP).length, 4)
  })

  it('are refused where they contradict each other', () => {
    assert.throws(
      () => idleOptions({ cert: 'a' }, ADHOC),
      (error) =>
        error instanceof ProgramError &&
        error.code === 'usage' &&
        error.message.startsWith('--adhoc makes a certificate, and --cert names one'),
    )
  })

  it('are none where each has one', () => {
    for (const told of [
      idleOptions({ cert: 'a', key: 'b', ca: 'c', strict: true, crl: ['d'] }, MUTUAL),
      idleOptions({ cert: 'a', key: 'b', http2: true, strict: false }, HTTPS),
      idleOptions({ http2: false, listing: true }, HTTP),
      idleOptions({ http2: true }, ADHOC),
    ]) {
      assert.deepEqual(told, [])
    }
  })
})
