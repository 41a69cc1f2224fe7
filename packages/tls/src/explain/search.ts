/**
 * What this machine has to mend it with: the missing certificate, an authority of ours, a name that leads to the same server.
 *
 * @module
 */
import type { Explanation } from '../errors.ts'
import { lookup } from 'node:dns/promises'
import path from 'node:path'
import { isIP } from 'node:net'
import { CoreError, errorCode, waitFor } from '@countersign/core'
import { type Certificate, Name } from '@countersign/x509'
import { readPresentedChain } from '../presented.ts'
import type { Environment } from '../trust-environment.ts'
import { findElsewhere, type Place } from '../trust-places.ts'
import { TrustStore } from '../trust-store.ts'
import { connectableNames } from './commands.ts'
import type { ExplainChainOptions } from './explain-options.ts'
import { readable } from './readable.ts'

/** Where on this machine the certificate lies that the chain lacks. */
export async function placesOf(
  { brokenLink }: Explanation,
  { chain, trust }: ExplainChainOptions,
  env: Environment | undefined,
): Promise<Place[]> {
  if (brokenLink === undefined || !('candidates' in brokenLink.facts)) return []
  const top = certificates(chain).find(
    ({ fingerprint }) => fingerprint === brokenLink.certificate?.fingerprint,
  )
  if (top === undefined) return []
  return findElsewhere({
    issuer: top.issuer,
    keyId: readable(() => top.authorityKeyId),
    isIssuer: (candidate) => top.verifySignature(candidate.publicKey),
    consulted: trust,
    env,
  })
}

/**
 * The data folder of an authority of ours that a server accepts clients of.
 *
 * @param accepted - DER of names
 */
export async function issuingFolder(
  accepted: readonly Uint8Array[],
  env: Environment | undefined,
): Promise<string | undefined> {
  for (const der of accepted.slice(0, MOST_AUTHORITIES)) {
    const places = await findElsewhere({
      issuer: Name.fromDer(der),
      isIssuer: () => true,
      consulted: TrustStore.empty(),
      env,
    })
    const folder = places.find(({ kind }) => kind === 'data-folder')?.path
    if (folder !== undefined) return path.dirname(folder)
  }
  return undefined
}

/**
 * A name of the certificate that leads to the address that was asked. The chain is believed where only the name is wrong, so the
 * names that are looked up are those of an authority that is trusted.
 */
export async function nameThatLeadsTo(
  address: string | undefined,
  chain: readonly Uint8Array[],
): Promise<string | undefined> {
  const [leaf] = certificates(chain.slice(0, 1))
  if (leaf === undefined || address === undefined) return undefined
  for (const name of connectableNames(leaf).slice(0, MOST_LOOKUPS)) {
    if ((await addressesOf(name)).includes(address)) return name
  }
  return undefined
}

async function addressesOf(name: string): Promise<string[]> {
  if (isIP(name) !== 0) return [name]
  try {
    const found = await waitFor(`look up ${name}`, { timeoutMs: LOOKUP_MS }, () =>
      lookup(name, { all: true }),
    )
    return found.map(({ address }) => address)
  } catch (error) {
    // No address, or no answer: it leads nowhere.
    if (error instanceof CoreError || errorCode(error) !== undefined) return []
    throw error
  }
}

/** What can be read of a chain. */
function certificates(chain: readonly Uint8Array[]): Certificate[] {
  return chain.flatMap((der) => readPresentedChain([der]))
}

const MOST_AUTHORITIES = 3
const MOST_LOOKUPS = 5
const LOOKUP_MS = 1000
