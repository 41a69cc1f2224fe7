/**
 * Expecting a call to fail.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { ClientError } from '@countersign/client'

/** The error a call fails with; fails the test where it goes through or throws something else. */
export async function failureOf(call: Promise<unknown>): Promise<ClientError> {
  try {
    await call
  } catch (error) {
    assert.ok(error instanceof ClientError, String(error))
    return error
  }
  assert.fail('the call went through')
}
