/**
 * A fresh proof of who is in front of the page, asked for in place: what wanted it goes on afterwards (RFC 9470).
 *
 * @module
 */
import { signal } from '@preact/signals'
import { ApiError } from './api-error.ts'
import type { ProofWay } from './entry-api.ts'
import { fetchFactors } from './factors-api.ts'

/** The proof was asked for, and whoever was asked went away. */
export class ProofRefused extends Error {}

/** A proof that is being asked for. */
export interface AskedProof {
  /** What can be proved; the first is offered first. */
  readonly ways: readonly ProofWay[]
  finish: (proved: boolean) => void
}

/** The proof that is asked for now. */
export const askedProof = signal<AskedProof | undefined>(undefined)

/** Does something, and does it again after a proof where the service wants one first. Throws {@link ProofRefused}. */
export async function withProof<T>(action: () => Promise<T>): Promise<T> {
  // A second time only where factors were changed elsewhere meanwhile.
  for (let times = 0; ; times++) {
    try {
      return await action()
    } catch (error) {
      const wanted = error instanceof ApiError && error.code === 'step-up-required'
      if (!wanted || times === MOST_TIMES) throw error
    }
    await prove()
  }
}

/** Asks for a proof, of a second factor where there is one. Throws {@link ProofRefused}. */
export async function prove(): Promise<void> {
  await ask(await proofWays())
}

/** A password proves nothing where there is a second factor: the service would ask again. */
async function proofWays(): Promise<ProofWay[]> {
  const types = new Set((await fetchFactors()).map(({ type }) => type))
  const ways: ProofWay[] = []
  if (types.has('totp')) ways.push('totp')
  if (types.has('passkey')) ways.push('webauthn')
  if (ways.length === 0) return ['password']
  if (types.has('recovery')) ways.push('recovery')
  return ways
}

async function ask(ways: readonly ProofWay[]): Promise<void> {
  askedProof.peek()?.finish(false)
  const { promise, resolve } = Promise.withResolvers<boolean>()
  askedProof.value = { ways, finish: resolve }
  const proved = await promise
  askedProof.value = undefined
  if (!proved) throw new ProofRefused()
}

const MOST_TIMES = 2
