/**
 * Expecting a call to fail, and making it fail.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { ClientError } from '@countersign/client'
import { errorMessage } from '@countersign/core'

/** The error a call fails with; fails the test where it goes through or throws something else. */
export async function failureOf(call: Promise<unknown>): Promise<ClientError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(
    error instanceof ClientError,
    error === undefined ? 'the call went through' : errorMessage(error),
  )
  return error
}

/** An options object as plain JavaScript would give it. */
export function asGiven(given: object): object {
  return given
}
