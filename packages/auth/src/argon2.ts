/**
 * argon2id (RFC 9106) by whatever computes it here: @node-rs/argon2 where it is installed (three times faster), else Node's own.
 *
 * @module
 */
import { argon2 } from 'node:crypto'
import { promisify } from 'node:util'
import type { Argon2Cost } from './phc.ts'

/** Computes an argon2id tag of 32 bytes, off the main thread. */
export type Argon2id = (
  password: string,
  salt: Uint8Array,
  cost: Argon2Cost,
  tagLength: number,
) => Promise<Uint8Array>

/** The implementation this process uses, loaded once. */
export function loadArgon2id(): Promise<Argon2id> {
  loaded ??= nativeArgon2id()
  return loaded
}

let loaded: Promise<Argon2id> | undefined

async function nativeArgon2id(): Promise<Argon2id> {
  try {
    const { hashRaw } = await import('@node-rs/argon2')
    return (password, salt, cost, tagLength) =>
      hashRaw(password, {
        salt,
        memoryCost: cost.memoryKib,
        timeCost: cost.passes,
        parallelism: cost.lanes,
        outputLen: tagLength,
        // Algorithm.Argon2id; the enum itself is a `const enum`, which isolated modules cannot read.
        algorithm: 2,
      })
  } catch {
    // Not installed, or not built for this platform: it is optional, and the answer is the same either way.
    return builtInArgon2id
  }
}

/** Node's own argon2id, whatever else is installed. */
export const builtInArgon2id: Argon2id = (password, salt, cost, tagLength) =>
  argon2Async('argon2id', {
    message: password,
    nonce: salt,
    memory: cost.memoryKib,
    passes: cost.passes,
    parallelism: cost.lanes,
    tagLength,
  })

const argon2Async = promisify(argon2)
