/**
 * From an order that is ready to its certificate (RFC 8555 §7.4).
 *
 * An order is claimed before anything is signed, by one update that only one of many wins, so that it never gets two certificates.
 * Whoever claims writes the order's id into the ledger as the requester: if the process dies between the signature and the end,
 * the next one finds the certificate there instead of signing another.
 *
 * @module
 */
import { json } from '@countersign/store'
import { Certificate, CertificateRequest, type PublicKey, X509Error } from '@countersign/x509'
import { AuthorityError } from '../errors.ts'
import { acmeAsker, identifierKey, identifierOf } from './identifiers.ts'
import { fromBase64Url, requiredText } from './json.ts'
import { findOrder, type OrderRow, orderStatus } from './orders.ts'
import { AcmeProblem } from './problem.ts'
import { ariId } from './renewal-info.ts'
import { type AccountRequest, payloadOf } from './request.ts'
import type { AcmeTables, Identifier } from './schema.ts'
import { type AcmeState, newId } from './state.ts'

/**
 * Signs what was ordered. What is wrong with the signing request leaves the order as it is, to be finalized with another.
 *
 * @returns the order as it is then: `valid`, or `processing` where another request is at it
 * @throws AcmeProblem `orderNotReady`, `badCSR`, `rejectedIdentifier`, `serverInternal`, 404
 */
export async function finalizeOrder(
  state: AcmeState,
  request: AccountRequest,
  id: string,
): Promise<OrderRow> {
  const { account } = request
  const order = await findOrder(state, account, id)
  const status = orderStatus(order, state.clock().getTime())
  if (status !== 'ready') throw notReady(status)
  const csr = checkedRequest(
    fromBase64Url(requiredText(payloadOf(request), 'csr', 'the payload'), 'csr'),
    order.identifiers,
    request.key.publicKey,
  )
  const claimed = await claim(state, order, csr.der)
  if (!claimed) {
    const now = await findOrder(state, account, id)
    if (now.status === 'processing' || now.status === 'valid') return now
    throw notReady(now.status)
  }
  const mine = { ...order, csr: csr.der }
  return await complete(state, mine, await issueClaimed(state, mine))
}

/**
 * Finishes an order that was claimed and whose process died, or lost its database: with the certificate that the ledger has, else
 * with a new one.
 */
export async function resumeOrder(state: AcmeState, order: OrderRow): Promise<void> {
  const { authority } = state
  const [known] = await authority.list({ search: requesterOf(order), limit: 1 })
  const leaf =
    known === undefined
      ? await issueClaimed(state, order)
      : await authority.certificate(known.fingerprint)
  if (leaf !== undefined) await complete(state, order, leaf)
}

/** Who asked, in the ledger. */
function requesterOf(order: Pick<OrderRow, 'account' | 'id'>): string {
  return `acme ${order.account} ${order.id}`
}

function notReady(status: string): AcmeProblem {
  return new AcmeProblem('orderNotReady', `the order is ${status}`)
}

/** One of many wins. */
async function claim(state: AcmeState, order: OrderRow, csr: Uint8Array): Promise<boolean> {
  const won = await state.database
    .updateTable('acme_order')
    .set({ status: 'processing', csr, claimed_at: state.clock().getTime(), error: null })
    .where('id', '=', order.id)
    .where('status', '=', 'ready')
    .returning('id')
    .executeTakeFirst()
  return won !== undefined
}

/** Signs; what the authority refuses gives the order back, and what may have been signed all the same does not. */
async function issueClaimed(state: AcmeState, order: OrderRow): Promise<Certificate> {
  try {
    return await issue(state, order)
  } catch (error) {
    if (!(error instanceof AuthorityError)) throw error
    const problem = problemOf(error)
    await giveBack(state, order, problem)
    throw problem ?? error
  }
}

async function complete(state: AcmeState, order: OrderRow, leaf: Certificate): Promise<OrderRow> {
  const { authority } = state
  const id = newId()
  const above = authority.chainOf(leaf)
  const chain = [leaf, ...above, ...authority.roots.filter((root) => above[0]?.issuedBy(root))]
  const row = {
    id,
    account: order.account,
    fingerprint: leaf.fingerprint,
    ari_id: ariId(leaf),
    chain: json(chain.map(({ pem }) => pem)),
    not_after: leaf.notAfter.getTime(),
    created_at: state.clock().getTime(),
    replaced_by: null,
  }
  const isMine = await state.store.transaction<AcmeTables, boolean>(async (transaction) => {
    const done = await transaction
      .updateTable('acme_order')
      .set({ status: 'valid', certificate: id, csr: null, claimed_at: null })
      .where('id', '=', order.id)
      .where('status', '=', 'processing')
      .returning('id')
      .executeTakeFirst()
    // Somebody took over what looked left behind, and has finished it.
    if (done === undefined) return false
    await transaction.insertInto('acme_certificate').values(row).execute()
    if (order.replaces !== null) {
      await transaction
        .updateTable('acme_certificate')
        .set({ replaced_by: order.id })
        .where('ari_id', '=', order.replaces)
        .where('replaced_by', 'is', null)
        .execute()
    }
    return true
  })
  if (isMine) state.counts.order('valid')
  return await state.database
    .selectFrom('acme_order')
    .selectAll()
    .where('id', '=', order.id)
    .executeTakeFirstOrThrow()
}

async function issue(state: AcmeState, order: OrderRow): Promise<Certificate> {
  const profile = state.profiles.get(order.profile)
  const now = state.clock().getTime()
  // Half a second more: the authority cuts to whole seconds, and reads its clock a moment later.
  const days = order.not_after === null ? profile?.days : (order.not_after - now + 500) / 86_400_000
  const issued = await state.authority.issue({
    names: order.identifiers.map(({ value }) => value),
    csr: CertificateRequest.parse(order.csr ?? new Uint8Array()),
    profile: 'server',
    days,
    requester: requesterOf(order),
    by: acmeAsker(order.account, order.identifiers),
  })
  return issued.certificate
}

/** What a refusal leaves behind: an order that can be finalized again, unless what it asks for is refused for good. */
async function giveBack(
  state: AcmeState,
  order: OrderRow,
  problem: AcmeProblem | undefined,
): Promise<void> {
  const isFinal = problem?.type === 'rejectedIdentifier'
  await state.database
    .updateTable('acme_order')
    .set({
      status: isFinal ? 'invalid' : 'ready',
      csr: null,
      claimed_at: null,
      ...(isFinal ? { error: json(problem?.document) } : {}),
    })
    .where('id', '=', order.id)
    .where('status', '=', 'processing')
    .execute()
  if (isFinal) state.counts.order('invalid')
}

/** What the authority refused, in the words of ACME; what is wrong with the authority itself is not for the client. */
function problemOf({ code, message }: AuthorityError): AcmeProblem | undefined {
  if (/^(key-|request-|lint-)/.test(code)) {
    return OWN_KEYS.has(code) ? undefined : new AcmeProblem('badCSR', message)
  }
  if (/^(name|wildcard|too-many-names|days|requester-refused|profile-refused)/.test(code)) {
    return new AcmeProblem('rejectedIdentifier', message)
  }
  return undefined
}

/**
 * Reads a signing request and holds it against the order: the same names, no more, no less.
 *
 * @throws AcmeProblem `badCSR`
 */
function checkedRequest(
  der: Uint8Array,
  ordered: readonly Identifier[],
  accountKey: PublicKey,
): CertificateRequest {
  try {
    const csr = CertificateRequest.parse(new Uint8Array(der), 'csr')
    if (!csr.verify()) throw bad('the signing request is not signed with its own key')
    if (csr.publicKey.equals(accountKey)) {
      throw bad('the key of the account is not certified: make another one')
    }
    const { basicConstraints } = csr.requestedExtensions
    if (basicConstraints?.ca === true) throw bad('the signing request asks for an authority')
    checkSameNames(csr, ordered)
    return csr
  } catch (error) {
    if (error instanceof X509Error) throw bad(error.message)
    throw error
  }
}

function checkSameNames(csr: CertificateRequest, ordered: readonly Identifier[]): void {
  const names = csr.subjectAltNames
  if (names.length > MOST_NAMES) throw bad(`the signing request has ${names.length} names`)
  const asked = new Set<string>()
  for (const name of names) {
    const identifier = identifierOf(name)
    if (identifier === undefined) {
      throw bad(`the signing request has a name of kind ${name.type} that was not ordered`)
    }
    asked.add(identifierKey(identifier))
  }
  for (const { type, value } of csr.subject.attributes) {
    if (type !== COMMON_NAME) continue
    const identifier = identifierOf({ type: 'dns', value }) ?? identifierOf({ type: 'ip', value })
    if (identifier === undefined)
      throw bad('the common name of the signing request was not ordered')
    asked.add(identifierKey(identifier))
  }
  const wanted = new Set(ordered.map((one) => identifierKey(one)))
  if (asked.size === wanted.size && [...asked].every((one) => wanted.has(one))) return
  throw bad('the names of the signing request are not those of the order')
}

function bad(detail: string): AcmeProblem {
  return new AcmeProblem('badCSR', detail)
}

/** Codes that are about the authority's own keys. */
const OWN_KEYS: ReadonlySet<string> = new Set(['key-missing', 'key-malformed', 'key-mismatch'])
const COMMON_NAME = '2.5.4.3'
const MOST_NAMES = 1000
