import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { scrubProcess } from '@countersign/testkit'
import { type Answer, Driver, driverKey, ORIGIN, signJws } from './acme-driver.ts'
import { registered, suiteAcme } from './acme-fixture.ts'
import { refuse } from './acme-rows.ts'

scrubProcess()

const suite = suiteAcme()
let driver: Driver
let other: Driver

const ordering = (identifiers: unknown) => () => driver.post('/new-order', { identifiers })
const one = (type: string, value: unknown) => ordering([{ type, value }])
const account = (payload: object) => () =>
  new Driver(suite.current.acme).post('/new-account', payload)
const changing =
  (
    spoil: (inner: { header: Record<string, unknown>; payload: Record<string, unknown> }) => void,
    key = driverKey(),
  ) =>
  () => {
    const url = `${ORIGIN}/acme/key-change`
    const inner = {
      header: { alg: key.algorithm, jwk: key.jwk, url } as Record<string, unknown>,
      payload: { account: driver.kid, oldKey: driver.key.jwk } as Record<string, unknown>,
    }
    spoil(inner)
    return driver.post('/key-change', signJws(inner.header, JSON.stringify(inner.payload), key))
  }

describe('ACME, what is inside of hostile requests', () => {
  before(async () => {
    driver = await registered(suite.current)
    other = await registered(suite.current)
  })

  describe('hides things of somebody else, which look as if they were not there', () => {
    let place: Answer
    before(async () => {
      place = await other.order(['theirs.a.test'])
    })
    refuse([
      ['an order', () => driver.post(place.headers.get('location') ?? ''), 'malformed', 404],
      ['its end', () => driver.post(place.textAt('finalize'), { csr: '' }), 'malformed', 404],
      ['an authorization', () => driver.post(place.textAt('authorizations.0')), 'malformed', 404],
      [
        'its end by them',
        () => driver.post(place.textAt('authorizations.0'), { status: 'deactivated' }),
        'malformed',
        404,
      ],
      [
        'a challenge',
        async () => {
          const authorization = await other.post(place.textAt('authorizations.0'))
          return await driver.post(authorization.textAt('challenges.0.url'), {})
        },
        'malformed',
        404,
      ],
      ['a certificate', () => driver.post('/certificate/unknown'), 'malformed', 404],
      ['an account', () => driver.post(other.kid ?? ''), 'unauthorized', 403],
      ['their orders', () => driver.post(`${other.kid}/orders`), 'unauthorized', 403],
    ])
  })

  describe('refuses payloads', () => {
    refuse([
      ['no identifiers', ordering(undefined), 'malformed'],
      ['an empty list', ordering([]), 'malformed'],
      ['identifiers that are no list', ordering({ type: 'dns', value: 'a.test' }), 'malformed'],
      ['an identifier that is a text', ordering(['a.test']), 'malformed'],
      [
        '101 identifiers',
        ordering(Array.from({ length: 101 }, (_, at) => ({ type: 'dns', value: `${at}.a.test` }))),
        'rejectedIdentifier',
      ],
      ['a type nobody knows', one('email', 'a@a.test'), 'unsupportedIdentifier'],
      ['a value that is a number', one('dns', 7), 'malformed'],
      ['an address as a host name', one('dns', '10.0.0.1'), 'rejectedIdentifier'],
      ['a host name as an address', one('ip', 'a.test'), 'rejectedIdentifier'],
      ['an IPv4 address in disguise', one('ip', '::ffff:10.0.0.1'), 'rejectedIdentifier'],
      ['an address in brackets', one('ip', '[::1]'), 'rejectedIdentifier'],
      ['a name with NUL', one('dns', 'a.test\0.b.test'), 'malformed'],
      ['a homograph', one('dns', 'аpple.test'), 'malformed'],
      ['a name with a space', one('dns', 'a b.test'), 'malformed'],
      ['a name with two stars', one('dns', '*.*.a.test'), 'rejectedIdentifier'],
      ['a star in the middle', one('dns', 'a.*.test'), 'rejectedIdentifier'],
      ['a wildcard of a top level', one('dns', '*.test'), 'rejectedIdentifier'],
      ['an e-mail address as a host', one('dns', 'a@a.test'), 'rejectedIdentifier'],
      ['a URL as a host', one('dns', 'https://a.test/'), 'rejectedIdentifier'],
      ['a label of 64 letters', one('dns', `${'a'.repeat(64)}.test`), 'rejectedIdentifier'],
      [
        'a wildcard before there is an order',
        () => driver.post('/new-authz', { identifier: { type: 'dns', value: '*.a.test' } }),
        'malformed',
      ],
      [
        'a payload that is no JSON',
        () => driver.post('/new-order', {}, { payload: 'hello' }),
        'malformed',
      ],
      ['a payload where there is none', () => driver.post(`${driver.kid}/orders`, {}), 'malformed'],
      ['a contact that is no address', account({ contact: ['mailto:nobody'] }), 'invalidContact'],
      [
        'a contact with further fields',
        account({ contact: ['mailto:a@a.test?bcc=b@a.test'] }),
        'invalidContact',
      ],
      ['a contact with NUL', account({ contact: ['mailto:a\0@a.test'] }), 'invalidContact'],
      ['two contacts in one', account({ contact: ['mailto:a@a.test,b@a.test'] }), 'invalidContact'],
      ['a contact by telephone', account({ contact: ['tel:+1'] }), 'unsupportedContact'],
      [
        'eleven contacts',
        account({ contact: Array.from({ length: 11 }, () => 'mailto:a@a.test') }),
        'invalidContact',
      ],
      ['a contact that is a number', account({ contact: [1] }), 'malformed'],
      [
        'only an account that is there',
        account({ onlyReturnExisting: true }),
        'accountDoesNotExist',
      ],
      [
        'a status of their own',
        () => driver.post(driver.kid ?? '', { status: 'revoked' }),
        'malformed',
      ],
      [
        'a key change for another account',
        changing(({ payload }) => {
          payload['account'] = other.kid
        }),
        'malformed',
      ],
      [
        'a key change with another old key',
        changing(({ payload }) => {
          payload['oldKey'] = other.key.jwk
        }),
        'malformed',
      ],
      [
        'a key change for another url',
        changing(({ header }) => {
          header['url'] = `${ORIGIN}/acme/new-order`
        }),
        'malformed',
      ],
      [
        'a key change with a nonce inside',
        changing(({ header }) => {
          header['nonce'] = 'x'
        }),
        'malformed',
      ],
      [
        'a key change signed by another key',
        changing(({ header }) => {
          header['jwk'] = other.key.jwk
        }),
        'malformed',
      ],
      ['a key change to a weak key', changing(() => {}, driverKey('rsa1024')), 'badPublicKey'],
      [
        'revocation of what is no certificate',
        () => driver.post('/revoke-cert', { certificate: 'AAAA' }),
        'malformed',
      ],
      [
        'revocation of what another authority signed',
        () =>
          driver.post('/revoke-cert', {
            certificate: Buffer.from(suite.current.authority.issuer.der).toString('base64url'),
          }),
        'malformed',
        404,
      ],
    ])

    it('a key change to a key that has an account, saying which', async () => {
      const url = `${ORIGIN}/acme/key-change`
      const inner = signJws(
        { alg: 'ES256', jwk: other.key.jwk, url },
        JSON.stringify({ account: driver.kid, oldKey: driver.key.jwk }),
        other.key,
      )
      const answer = await driver.post('/key-change', inner)
      assert.deepEqual([answer.status, answer.headers.get('location')], [409, other.kid])
    })
  })
})
