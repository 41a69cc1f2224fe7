/** Validations of hosts that a test has spoilt, to their end. */
import assert from 'node:assert/strict'
import type { Answer, Driver } from './acme-driver.ts'
import { type AcmeFixture, arrange, registered } from './acme-fixture.ts'

/** Makes another host of one that would answer rightly. */
export type SpoilHost = (
  name: string,
  driver: Driver,
  authorization: Answer,
) => void | Promise<void>

/** Validates a new name by a method: what its challenge says in the end. */
export async function validate(
  fixture: AcmeFixture,
  type: string,
  spoil: SpoilHost,
): Promise<Answer> {
  const driver = await registered(fixture)
  const name = `host-${++count}.a.test`
  const order = await driver.order([name])
  const authorization = await driver.post(order.textAt('authorizations.0'))
  const url = arrange(fixture, driver, authorization, type)
  await spoil(name, driver, authorization)
  await driver.post(url, {})
  await fixture.acme.settled()
  const after = await driver.post(order.headers.get('location') ?? '')
  const decided = await driver.post(url)
  const isValid = decided.at('status') === 'valid'
  assert.equal(after.at('status'), isValid ? 'ready' : 'invalid')
  return decided
}

/** Expects a problem, in words. */
export async function refuses(
  fixture: AcmeFixture,
  type: string,
  problem: string,
  words: RegExp,
  spoil: SpoilHost,
): Promise<void> {
  const decided = await validate(fixture, type, spoil)
  assert.equal(decided.textAt('error.type'), `urn:ietf:params:acme:error:${problem}`, decided.text)
  assert.match(decided.textAt('error.detail'), words)
  assert.equal(decided.at('error.identifier.type'), 'dns')
}

let count = 0
