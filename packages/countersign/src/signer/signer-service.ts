/**
 * The signer: holds the keys of issuers and signs what it finds good, for those whose certificates it knows, over mutual TLS.
 *
 * Every request leaves a line in `signatures.jsonl`, before the signature leaves.
 *
 * @module
 */
import { appendFile } from 'node:fs/promises'
import { hash } from 'node:crypto'
import path from 'node:path'
import { AuthorityError, checkToSign } from '@countersign/authority'
import { type Clock, problemResponse, systemClock } from '@countersign/core'
import { type Server, serve } from '@countersign/server'
import type { DataFolder } from '../data-folder.ts'
import type { SigningKey } from './signing-keys.ts'

/** What a signer is run with. */
export interface SignerOptions {
  readonly data: DataFolder
  readonly keys: ReadonlyMap<string, SigningKey>
  readonly host: string
  readonly port: number
  /** Its own certificate and key, and what clients' certificates lead to. */
  readonly cert: string
  readonly key: string
  readonly ca: string
  /** SHA-256 of the certificates, or of their keys, that may ask: lower-case hex. */
  readonly allow: ReadonlySet<string>
  /** The longest lifetime of a certificate, in days. */
  readonly maxDays: number
  /** Signatures a second, over a minute. */
  readonly rate: number
  readonly clock?: Clock | undefined
}

/** Starts it. @throws errors of the server, for its files and its address */
export async function startSigner(options: SignerOptions): Promise<Server> {
  const { data, keys, allow, maxDays, clock = systemClock } = options
  const record = path.join(data.path, 'signatures.jsonl')
  const pace = new Pace(options.rate * 60)
  return await serve(
    async (request, { peer }) => {
      const { certificate } = peer
      const who = certificate?.fingerprint
      const isAllowed =
        certificate !== undefined &&
        (allow.has(certificate.fingerprint) || allow.has(certificate.keyFingerprint))
      if (who === undefined || !isAllowed)
        return refuse(403, 'signer-refused', 'this certificate may not ask here')
      if (request.method !== 'POST' || new URL(request.url).pathname !== '/sign') {
        return refuse(404, 'not-found', 'there is only POST /sign')
      }
      const key = keys.get(request.headers.get('signer-key') ?? '')
      if (key === undefined)
        return refuse(404, 'signer-refused', 'the key that is asked for is not here')
      if (!pace.take(clock().getTime())) {
        return refuse(429, 'signer-unavailable', `more than ${options.rate} signatures a second`)
      }
      const tbs = new Uint8Array(await request.arrayBuffer())
      const line = {
        time: clock(),
        who,
        key: key.issuer.subject.toString(),
        sha256: hash('sha256', tbs, 'hex'),
      }
      try {
        const rules = { maxDays, now: clock() }
        const subject = checkToSign(tbs, key.signer.signatureAlgorithm, key.issuer, rules)
        // Written first: what is not on record does not leave.
        await append(record, { ...line, signed: true, ...subject })
        return new Response(Buffer.from(key.signer.sign(tbs)), {
          headers: { 'content-type': 'application/octet-stream' },
        })
      } catch (error) {
        if (!(error instanceof AuthorityError)) throw error
        await append(record, { ...line, signed: false, reason: error.message })
        return refuse(403, 'signer-refused', error.message)
      }
    },
    {
      host: options.host,
      port: options.port,
      https: true,
      cert: options.cert,
      key: options.key,
      ca: options.ca,
      verifyUser: true,
      // Its own certificate is renewed beside it.
      watch: true,
      // A list of a million certificates, which a key such as Ed25519 wants whole.
      limits: { bodyBytes: MOST_BYTES, connections: 100 },
    },
  )
}

/** So many in a minute, refilled as time goes by. */
class Pace {
  readonly #most: number
  #left: number
  #at = 0

  constructor(most: number) {
    this.#most = most
    this.#left = most
  }

  take(nowMs: number): boolean {
    const passed = Math.max(0, nowMs - this.#at)
    this.#left = Math.min(this.#most, this.#left + (passed / 60_000) * this.#most)
    this.#at = nowMs
    if (this.#left < 1) return false
    this.#left--
    return true
  }
}

async function append(file: string, line: object): Promise<void> {
  await appendFile(file, `${JSON.stringify(line)}\n`, { mode: 0o600 })
}

function refuse(status: number, code: string, detail: string): Response {
  return problemResponse({ status, code, detail })
}

const MOST_BYTES = 64 * 1024 * 1024
