import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { scrubProcess } from '@countersign/testkit'
import { refusalOf, refused } from '../src/acme-client/connection.ts'

scrubProcess()

describe('a refusal of an ACME server', () => {
  it('names what was refused once, and says the way out', () => {
    const dns = { type: 'urn:ietf:params:acme:error:dns', detail: 'a.corp has no address' }
    const error = refused('a.corp', refusalOf(dns))
    assert.equal(error.message, 'a.corp has no address (dns)')
    assert.match(error.hint ?? '', /looks the name up itself/)
    // Another name that begins alike is another.
    assert.equal(refused('a.co', refusalOf(dns)).message, 'a.co: a.corp has no address (dns)')
  })

  it('is told where the server says nothing', () => {
    assert.equal(refused('a.corp', refusalOf(undefined)).message, 'a.corp: unknown (unknown)')
  })
})
