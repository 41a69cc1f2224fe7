/**
 * argon2id (RFC 9106) by whatever computes it here: @node-rs/argon2 where it is installed (three times faster), else Node's own.
 *
 * @module
 */
import { argon2, argon2Sync } from 'node:crypto'
import { promisify } from 'node:util'
import type { Argon2Cost } from './phc.ts'

/** Computes an argon2id tag, off the main thread. */
export type Argon2id = (
  password: string,
  salt: Uint8Array,
  cost: Argon2Cost,
  tagLength: number,
) => Promise<Uint8Array>

/** The same, on the thread that calls it. */
export type Argon2idSync = (
  password: Uint8Array,
  salt: Uint8Array,
  cost: Argon2Cost,
  tagLength: number,
) => Uint8Array

/** The implementation this process uses, loaded once; it computes in libuv's thread pool. */
export function loadArgon2id(): Promise<Argon2id> {
  loaded ??= poolArgon2id()
  return loaded
}

let loaded: Promise<Argon2id> | undefined

async function poolArgon2id(): Promise<Argon2id> {
  const native = await loadNative()
  if (native === undefined) return builtInArgon2id
  const { hashRaw } = native
  return (password, salt, cost, tagLength) =>
    hashRaw(password, nativeOptions(salt, cost, tagLength))
}

/** The implementation for a thread that does nothing else. */
export async function loadArgon2idSync(): Promise<Argon2idSync> {
  const native = await loadNative()
  if (native === undefined) {
    return (password, salt, cost, tagLength) =>
      argon2Sync('argon2id', builtInOptions(password, salt, cost, tagLength))
  }
  const { hashRawSync } = native
  return (password, salt, cost, tagLength) =>
    hashRawSync(password, nativeOptions(salt, cost, tagLength))
}

/** Node's own argon2id, whatever else is installed. */
export const builtInArgon2id: Argon2id = (password, salt, cost, tagLength) =>
  argon2Async('argon2id', builtInOptions(password, salt, cost, tagLength))

async function loadNative(): Promise<typeof import('@node-rs/argon2') | undefined> {
  try {
    return await import('@node-rs/argon2')
  } catch {
    // Not installed, or not built for this platform: it is optional, and the answer is the same either way.
    return undefined
  }
}

function nativeOptions(salt: Uint8Array, cost: Argon2Cost, outputLen: number): NativeOptions {
  const { lanes: parallelism, memoryKib: memoryCost, passes: timeCost } = cost
  // Algorithm.Argon2id; the enum itself is a `const enum`, which isolated modules cannot read.
  return { salt, memoryCost, timeCost, parallelism, outputLen, algorithm: 2 }
}

type NativeOptions = NonNullable<Parameters<typeof import('@node-rs/argon2').hashRaw>[1]>

function builtInOptions<Message extends string | Uint8Array>(
  message: Message,
  nonce: Uint8Array,
  cost: Argon2Cost,
  tagLength: number,
) {
  const { lanes: parallelism, memoryKib: memory, passes } = cost
  return { message, nonce, memory, passes, parallelism, tagLength }
}

const argon2Async = promisify(argon2)
