/**
 * From names to a chain: an order, a proof for each name, a signing request, the certificate (RFC 8555 §7.4).
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Certificate, createRequest, parseGeneralName, type PrivateKey } from '@countersign/x509'
import {
  type AcmeAnswer,
  type AcmeConnection,
  type Document,
  documentOf,
  invalid,
  refusalOf,
  refused,
  textOf,
} from './connection.ts'
import type { Solver } from './solvers.ts'

/** What is ordered. */
export interface WantedCertificate {
  readonly names: readonly string[]
  readonly key: PrivateKey
  /** The profile, for a server that has several. */
  readonly profile: string | undefined
  /** The ARI identifier of the certificate that it replaces, where the server knows that. */
  readonly replaces: string | undefined
}

/**
 * Obtains a certificate.
 *
 * @param solver - proves the names
 * @returns leaf first
 * @throws ProgramError `acme-refused`, `acme-invalid`; what the solver throws
 */
export async function obtain(
  connection: AcmeConnection,
  wanted: WantedCertificate,
  solver: Solver,
  timeoutMs: number = PATIENCE_MS,
): Promise<Certificate[]> {
  const deadline = Date.now() + timeoutMs
  const identifiers = wanted.names.map(identifierOf)
  const made = await connection.post(connection.resource('newOrder'), {
    identifiers,
    profile: wanted.profile,
    replaces: wanted.replaces,
  })
  const place = made.headers.get('location')
  if (place === null) throw invalid('the server does not say where the order is')
  let order = documentOf(made)
  for (const url of listOf(order, 'authorizations')) {
    await prove(connection, url, solver, deadline)
  }
  const poll = async (): Promise<AcmeAnswer> => connection.post(place)
  order = await waitWhile(poll, ['pending'], deadline, 'the order')
  if (order.get('status') === 'ready') {
    const csr = createRequest({
      subjectAltNames: wanted.names.map((name) => parseGeneralName(name)),
      key: wanted.key,
    })
    await connection.post(textOf(order, 'finalize'), {
      csr: Buffer.from(csr.der).toString('base64url'),
    })
    order = await waitWhile(poll, ['ready', 'processing'], deadline, 'the order')
  }
  if (order.get('status') !== 'valid') throw refused('the order', refusalOf(order.get('error')))
  const { body } = await connection.post(textOf(order, 'certificate'))
  return Certificate.parseAll(new TextDecoder().decode(body), 'the chain of the server')
}

/** Proves one name, unless it was proven before. */
async function prove(
  connection: AcmeConnection,
  url: string,
  solver: Solver,
  deadline: number,
): Promise<void> {
  const authorization = documentOf(await connection.post(url))
  if (authorization.get('status') === 'valid') return
  const name = nameOf(authorization)
  const offered = authorization.get('challenges')
  const challenges = (Array.isArray(offered) ? offered : []).map(
    (one: object): Document => new Map(Object.entries(one)),
  )
  const challenge = challenges.find((one) => one.get('type') === solver.type)
  if (challenge === undefined) {
    const types = challenges.map((one) => String(one.get('type'))).join(', ')
    throw invalid(`${name} cannot be proven by ${solver.type}, only by ${types}`, HOW)
  }
  const token = textOf(challenge, 'token')
  if (!/^[\w-]{1,256}$/.test(token)) throw invalid('the server gave a token that is none')
  const proof = { name, token, keyAuthorization: `${token}.${connection.thumbprint}` }
  await solver.present(proof)
  try {
    await connection.post(textOf(challenge, 'url'), {})
    const poll = async (): Promise<AcmeAnswer> => connection.post(url)
    const decided = await waitWhile(poll, ['pending', 'processing'], deadline, name)
    if (decided.get('status') !== 'valid') throw refused(name, faultOf(decided))
  } finally {
    await solver.cleanUp(proof)
  }
}

/** Asks again until the status is another, as often as the server says. */
async function waitWhile(
  poll: () => Promise<AcmeAnswer>,
  statuses: readonly string[],
  deadline: number,
  what: string,
): Promise<Document> {
  for (;;) {
    const answer = await poll()
    const document = documentOf(answer)
    if (!statuses.includes(String(document.get('status')))) return document
    const seconds = Number(answer.headers.get('retry-after') ?? 1)
    const pause = Math.min(30, Math.max(0.2, Number.isNaN(seconds) ? 1 : seconds)) * 1000
    if (Date.now() + pause > deadline) {
      throw invalid(`${what} is still ${String(document.get('status'))}`, 'try again later')
    }
    await sleep(pause)
  }
}

/** Why an authorization is not valid: what its challenge says. */
function faultOf(authorization: Document): ReturnType<typeof refusalOf> {
  const challenges = authorization.get('challenges')
  for (const challenge of Array.isArray(challenges) ? challenges : []) {
    const error: unknown =
      typeof challenge === 'object' && challenge !== null
        ? Reflect.get(challenge, 'error')
        : undefined
    if (error !== undefined) return refusalOf(error)
  }
  const status = String(authorization.get('status'))
  return { type: status, detail: `the authorization is ${status}` }
}

function identifierOf(name: string): { type: 'dns' | 'ip'; value: string } {
  const general = parseGeneralName(name)
  if (general.type === 'dns' || general.type === 'ip') {
    return { type: general.type, value: general.value }
  }
  throw invalid(`"${name}" is neither a host name nor an address`, 'ACME certifies nothing else')
}

function nameOf(authorization: Document): string {
  const identifier = authorization.get('identifier')
  const value: unknown =
    typeof identifier === 'object' && identifier !== null
      ? Reflect.get(identifier, 'value')
      : undefined
  if (typeof value === 'string') return value
  throw invalid('an authorization has no identifier')
}

function listOf(document: Document, name: string): string[] {
  const value = document.get(name)
  if (Array.isArray(value)) return value.map(String)
  throw invalid(`an answer of the server has no ${name}`)
}

const HOW = 'use another of --http-port, --tls-port and --dns-hook; a wildcard takes --dns-hook'
const PATIENCE_MS = 300_000
