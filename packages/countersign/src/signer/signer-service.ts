/**
 * The signer: holds the keys of issuers and signs what it finds good, for those whose certificates it knows, over mutual TLS.
 *
 * | request | body | answer |
 * | --- | --- | --- |
 * | `POST /sign`, `Signer-Key: SHA-256` | a TBSCertificate or TBSCertList | the signature |
 * | `POST /next` | a type of key | SubjectPublicKeyInfo of the client's next key, made where there is none that waits |
 * | `POST /issuers` | PEM: an issuer's certificate, then what may stand above it | nothing |
 *
 * Every request of a client that may ask leaves a line in `signatures.jsonl`, which is on the disk before the answer leaves.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import { hash } from 'node:crypto'
import path from 'node:path'
import { AuthorityError, checkToSign } from '@countersign/authority'
import { type Clock, CoreError, problemResponse, systemClock } from '@countersign/core'
import { type Server, serve } from '@countersign/server'
import { Certificate, X509Error } from '@countersign/x509'
import type { DataFolder } from '../data-folder.ts'
import { isKeyType } from '../key-types.ts'
import { BytesInFlight, readExactly } from './bytes-in-flight.ts'
import type { SigningKeys } from './signing-keys.ts'
import { SigningRecord } from './signing-record.ts'
import { nameOf } from './remote-signer.ts'

/** What a signer is run with. */
export interface SignerOptions {
  readonly data: DataFolder
  readonly keys: SigningKeys
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
  /** Requests a second, over a minute. */
  readonly rate: number
  /** What may be held in memory of one client's requests, and of all, in bytes. @defaultValue 96 MiB, and 192 MiB */
  readonly bytesOfOne?: number | undefined
  readonly bytesOfAll?: number | undefined
  /** A remark for the operator. */
  readonly note?: ((text: string) => void) | undefined
  readonly clock?: Clock | undefined
}

/** Starts it. @throws errors of the server, for its files and its address */
export async function startSigner(options: SignerOptions): Promise<Server> {
  const { data, allow, clock = systemClock } = options
  const record = new SigningRecord(path.join(data.path, 'signatures.jsonl'))
  const pace = new Pace(options.rate * 60)
  const room = new BytesInFlight(options.bytesOfOne ?? MOST_OF_ONE, options.bytesOfAll ?? MOST)
  return await serve(
    async (request, { peer: { certificate } }) => {
      const isAllowed =
        certificate !== undefined &&
        (allow.has(certificate.fingerprint) || allow.has(certificate.keyFingerprint))
      if (!isAllowed) return refuse(403, 'signer-refused', 'this certificate may not ask here')
      const work = request.method === 'POST' ? WORK.get(new URL(request.url).pathname) : undefined
      if (work === undefined) {
        return refuse(404, 'not-found', `there is only POST ${[...WORK.keys()].join(', ')}`)
      }
      if (!pace.take(clock().getTime())) {
        return refuse(429, 'signer-unavailable', `more than ${options.rate} requests a second`)
      }
      const length = Number(request.headers.get('content-length') ?? Number.NaN)
      if (!Number.isSafeInteger(length) || length < 0 || length > MOST_BYTES) {
        return refuse(411, 'signer-refused', 'a body says its length, 64 MiB at most')
      }
      using taken = room.take(certificate.keyFingerprint, length)
      if (taken === undefined) {
        return refuse(429, 'signer-unavailable', 'too much is being sent here at the same time')
      }
      const body = await readExactly(request.body, length)
      if (body === undefined) return refuse(400, 'signer-refused', 'the body has another length')
      const time = clock()
      const { line, answer } = await outcomeOf(work, {
        options,
        request,
        body,
        by: certificate.keyFingerprint,
        now: time,
      })
      try {
        await record.append({ time, who: certificate.fingerprint, ...line })
      } catch (error) {
        if (!(error instanceof CoreError)) throw error
        options.note?.(error.message)
        return refuse(503, 'signer-unavailable', 'its record cannot be written')
      }
      return answer()
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

/** A request whose sender may ask. */
interface Asked {
  readonly options: SignerOptions
  readonly request: Request
  readonly body: Uint8Array
  /** SHA-256 of the key of the client's certificate. */
  readonly by: string
  readonly now: Date
}

/** What comes of it: what is written down first, then the answer. */
interface Outcome {
  readonly line: object
  readonly answer: () => Response
}

async function outcomeOf(work: Work, asked: Asked): Promise<Outcome> {
  try {
    return await work(asked)
  } catch (error) {
    if (error instanceof CoreError) {
      asked.options.note?.(error.message)
      return no(503, 'signer-unavailable', 'it cannot write its files', {})
    }
    if (error instanceof AuthorityError || error instanceof X509Error) {
      return no(403, 'signer-refused', error.message, {})
    }
    throw error
  }
}

type Work = (asked: Asked) => Promise<Outcome>

async function sign({ options, request, body, now }: Asked): Promise<Outcome> {
  const key = options.keys.find(request.headers.get('signer-key') ?? '')
  if (key === undefined) {
    return no(404, 'signer-refused', 'the key that is asked for is not here', {})
  }
  const { issuer, signer } = key
  const line = { key: issuer.subject.toString(), sha256: hash('sha256', body, 'hex') }
  try {
    const rules = { maxDays: options.maxDays, now }
    const subject = checkToSign(body, signer.signatureAlgorithm, issuer, rules)
    return { line: { ...line, signed: true, ...subject }, answer: () => bytes(signer.sign(body)) }
  } catch (error) {
    if (!(error instanceof AuthorityError)) throw error
    return no(403, 'signer-refused', error.message, { ...line, signed: false })
  }
}

async function makeNext({ options, body, by }: Asked): Promise<Outcome> {
  const type = Buffer.from(body).toString()
  if (!isKeyType(type)) return no(400, 'signer-refused', 'this is no type of key', {})
  const publicKey = await options.keys.next(by, type)
  return { line: { made: nameOf(publicKey), type }, answer: () => bytes(publicKey.spki) }
}

async function adopt({ options: { keys, ca }, body, by, now }: Asked): Promise<Outcome> {
  const chain = Certificate.parseAll(body, 'the request')
  const roots = Certificate.parseAll(readFileSync(ca), ca)
  const { subject, fingerprint, publicKey } = await keys.adopt(chain, roots, by, now)
  const line = { adopted: fingerprint, key: nameOf(publicKey), issuer: subject.toString() }
  return { line, answer: () => bytes(new Uint8Array()) }
}

const WORK: ReadonlyMap<string, Work> = new Map([
  ['/sign', sign],
  ['/next', makeNext],
  ['/issuers', adopt],
])

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

function bytes(value: Uint8Array): Response {
  return new Response(Buffer.from(value), {
    headers: { 'content-type': 'application/octet-stream' },
  })
}

function no(status: number, code: string, reason: string, line: object): Outcome {
  return { line: { ...line, reason }, answer: () => refuse(status, code, reason) }
}

function refuse(status: number, code: string, detail: string): Response {
  return problemResponse({ status, code, detail })
}

const MOST_BYTES = 64 * 1024 * 1024
/** One long list, and leaves beside it. */
const MOST_OF_ONE = MOST_BYTES + MOST_BYTES / 2
const MOST = 2 * MOST_OF_ONE
