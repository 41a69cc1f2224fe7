import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ProgramError } from '../src/errors.ts'
import { refuseIdleOptions, type ServedMode } from '../src/serve/idle-options.ts'

const HTTP: ServedMode = { https: false, adhoc: false, asks: false }
const HTTPS: ServedMode = { ...HTTP, https: true }
const MUTUAL: ServedMode = { ...HTTPS, asks: true }
const ADHOC: ServedMode = { https: true, adhoc: true, asks: false }

describe('options of serve that would be without effect', () => {
  for (const [flags, mode, fault, hint] of [
    [{ cert: 'a' }, HTTP, /^--cert is for HTTPS/, /^add --https,/],
    [{ key: 'a' }, HTTP, /^--key is for HTTPS/, /--https/],
    [{ http2: true }, HTTP, /^--http2 is for HTTPS/, /--https/],
    [{ ca: 'a' }, HTTPS, /^--ca is about client certificates/, /^add --verify-user,/],
    [{ ca: 'a' }, HTTP, /^--ca is about client certificates/, /^add --https --verify-user,/],
    [{ strict: true }, HTTPS, /^--strict is about/, /--verify-user/],
    [{ crl: ['a'] }, HTTPS, /^--crl is about/, /--verify-user/],
    [{ crlLeafOnly: true }, HTTPS, /^--crl-leaf-only is about/, /--verify-user/],
    [{ cert: 'a' }, ADHOC, /^--adhoc makes a certificate, and --cert names one/, /leave one/],
  ] as const) {
    it(`${Object.keys(flags).join()} is refused: ${fault.source}`, () => {
      assert.throws(
        () => refuseIdleOptions(flags, mode),
        (error) =>
          error instanceof ProgramError &&
          error.code === 'usage' &&
          fault.test(error.message) &&
          hint.test(error.hint ?? ''),
      )
    })
  }

  it('are none where each has one', () => {
    refuseIdleOptions({ cert: 'a', key: 'b', ca: 'c', strict: true, crl: ['d'] }, MUTUAL)
    refuseIdleOptions({ cert: 'a', key: 'b', http2: true, strict: false }, HTTPS)
    refuseIdleOptions({ http2: false, listing: true }, HTTP)
    refuseIdleOptions({ http2: true }, ADHOC)
  })
})
