/**
 * What somebody signs in with beside the password: `GET`, `POST` and `DELETE /auth/factors`.
 *
 * A change takes a proof of the last 15 minutes, and of a second factor where there is one; it ends every other session.
 *
 * @module
 */
import { z } from 'zod'
import type { CredentialRecord } from '../credentials.ts'
import {
  type RouteContext,
  type RouteParts,
  readJson,
  refuse,
  type SignedIn,
  STEP_UP_MS,
  signedIn,
} from '../route-parts.ts'
import { isLabel } from '../names.ts'
import { lacksSecondFactor } from '../second-factor-policy.ts'
import { isUlid } from '../ulid.ts'
import { OWN_KINDS } from './factors.ts'
import { addCertificate, type CertificateFactorBody } from './certificate-factor.ts'
import { siteOf } from './passkey-site.ts'

/** `GET /auth/factors`: what there is; nothing secret. */
export async function listFactors(parts: RouteParts, c: RouteContext): Promise<Response> {
  const who = await signedIn(parts, c, { enrolling: true })
  if (who instanceof Response) return who
  const listed = await parts.factors.list(who.id)
  return Response.json(
    listed.map((info) => {
      const { id, type, remaining } = info
      return type === 'recovery' ? { id, type, remaining } : factorBody(info)
    }),
  )
}

/** `POST /auth/factors`: begins one, or makes it where nothing has to be confirmed. */
export async function addFactor(parts: RouteParts, c: RouteContext): Promise<Response> {
  const who = await mayChange(parts, c, { enrolling: true })
  if (who instanceof Response) return who
  const body = await readJson(parts, c, NEW_FACTOR)
  if (body instanceof Response) return body
  // Whoever has yet to add one adds one, and no other way in.
  const lacking = lacksSecondFactor(parts.requireSecondFactor, who.session.context)
  if (lacking && !SECOND.has(body.type)) return refuse(parts, 'second-factor-required')
  const owner = await parts.users.recordById(who.id)
  if (owner?.status !== 'active') return refuse(parts, 'credentials-invalid')
  const present = await parts.credentials.list({ principalId: who.id, kinds: OWN_KINDS })
  // What has ended stays in the list for a month, and a certificate of a day is renewed often.
  const good = present.filter(({ expires }) => expires === undefined || expires > parts.clock())
  if (good.length >= MOST_FACTORS) return refuse(parts, 'factor-limit')
  const { label } = body
  if (body.type === 'recovery') {
    const codes = await parts.recovery.renew(who.id)
    parts.factors.tell(who, 'recovery codes made', 'recovery')
    return Response.json({ type: 'recovery', codes }, { status: 201 })
  }
  if (body.type === 'totp') {
    const enrolment = await parts.totp.enrol(owner, label ?? 'authenticator app')
    const { id, secret, uri, expires } = enrolment
    return Response.json({ id, type: 'totp', secret, uri, expires }, { status: 201 })
  }
  if (body.type === 'jwk') {
    const { jwk, scopes } = body
    const added = await parts.publicKeys.add(who.name, jwk, { label, scopes })
    if (!(await isStill(parts, who, owner))) {
      await parts.publicKeys.revoke(added.id)
      return refuse(parts, 'credentials-invalid')
    }
    await endOthers(parts, who)
    return Response.json(await bodyOf(parts, added.id), { status: 201 })
  }
  if (body.type === 'client_cert') {
    const added = await addCertificate(parts, who, owner, body)
    if (added instanceof Response) return added
    if (!(await isStill(parts, who, owner))) {
      await parts.certificates.revoke(added.id)
      return refuse(parts, 'credentials-invalid')
    }
    await endOthers(parts, who)
    return Response.json({ ...(await bodyOf(parts, added.id)), ...added.body }, { status: 201 })
  }
  const site = siteOf(c)
  if (body.response === undefined) {
    const publicKey = await parts.passkeys.begin(owner, who.session.sid, site)
    return Response.json({ type: 'passkey', publicKey }, { status: 201 })
  }
  const { sid } = who.session
  const added = await parts.passkeys.register(owner, sid, body.response, site, label ?? 'passkey')
  if (added === undefined) return refuse(parts, 'invalid-code')
  return await added201(parts, who, added)
}

/** `POST /auth/factors/:id/confirm`: the first code of an app. */
export async function confirmFactor(
  parts: RouteParts,
  c: RouteContext,
  id: string,
): Promise<Response> {
  const who = await mayChange(parts, c, { enrolling: true })
  if (who instanceof Response) return who
  const body = await readJson(parts, c, CODE)
  if (body instanceof Response) return body
  const owner = await parts.users.recordById(who.id)
  if (owner?.status !== 'active' || !isUlid(id)) return refuse(parts, 'factor-unknown')
  const added = await parts.totp.confirm(owner, id, body.code)
  if (added === undefined) return refuse(parts, 'invalid-code')
  return await added201(parts, who, added)
}

/** `DELETE /auth/factors/:id`: another person's is one that does not exist. */
export async function removeFactor(
  parts: RouteParts,
  c: RouteContext,
  id: string,
): Promise<Response> {
  const who = await mayChange(parts, c)
  if (who instanceof Response) return who
  const removed = await parts.factors.remove(who, id)
  // Without any code there is nothing to remove, and nothing is left: that is what was asked for.
  if (!removed && id !== 'recovery') return refuse(parts, 'factor-unknown')
  if (removed && id !== 'recovery') await endOthers(parts, who)
  return new Response(null, { status: 204 })
}

async function added201(
  parts: RouteParts,
  who: SignedIn,
  record: CredentialRecord,
): Promise<Response> {
  parts.factors.tell(who, `${record.kind} added`, record.id)
  const codes = await parts.credentials.list({ principalId: who.id, kinds: ['recovery'] })
  // The first of its kind: whoever loses it needs a way back.
  const recoveryCodes = codes.length === 0 ? await parts.recovery.renew(who.id) : undefined
  await endOthers(parts, who)
  return Response.json({ ...(await bodyOf(parts, record.id)), recoveryCodes }, { status: 201 })
}

async function mayChange(
  parts: RouteParts,
  c: RouteContext,
  { enrolling = false }: { enrolling?: boolean } = {},
): Promise<SignedIn | Response> {
  const who = await signedIn(parts, c, { maxAuthAgeMs: STEP_UP_MS, enrolling })
  if (who instanceof Response || who.session.context.aal === 2) return who
  const methods = await parts.secondFactors.of(who.id)
  if (methods.length === 0) return who
  // Whoever took over a session of before must not bring their own factor.
  return await signedIn(parts, c, { maxAuthAgeMs: STEP_UP_MS, aal: 2, enrolling })
}

/**
 * Whether nothing has ended their session since. An authority takes its time; what it certified for somebody who was thrown out
 * meanwhile would let them in again.
 */
async function isStill(
  { sessions, users }: RouteParts,
  { session }: SignedIn,
  owner: { id: string; epoch: number },
): Promise<boolean> {
  const now = await users.recordById(owner.id)
  if (now?.status !== 'active' || now.epoch !== owner.epoch) return false
  return await sessions.isAlive(session.sid)
}

async function endOthers(parts: RouteParts, who: SignedIn): Promise<void> {
  await parts.sessions.revokeAll(who.id, who.session.sid)
}

async function bodyOf(parts: RouteParts, id: string): Promise<object> {
  const record = await parts.credentials.find(id)
  return record === undefined ? {} : factorBody({ ...record, type: record.kind })
}

function factorBody(info: {
  readonly id: string
  readonly type: string
  readonly label: string
  readonly created: Date
  readonly lastUsed: Date | undefined
  readonly expires: Date | undefined
}): object {
  return {
    id: info.id,
    type: info.type,
    label: info.label,
    created: info.created.toISOString(),
    lastUsed: info.lastUsed?.toISOString() ?? null,
    expires: info.expires?.toISOString() ?? null,
  }
}

interface Labelled {
  label?: string | undefined
}

type NewFactorBody =
  | (Labelled & { type: 'totp' })
  | (Labelled & { type: 'recovery' })
  | (Labelled & { type: 'passkey'; response?: Record<string, unknown> | undefined })
  | (CertificateFactorBody & { type: 'client_cert' })
  | (Labelled & { type: 'jwk'; jwk: Record<string, unknown>; scopes?: string[] | undefined })

const LABEL = z.string().refine(isLabel).optional()

const SCOPES = z.array(z.string().max(64)).min(1).max(50).optional()

const NEW_FACTOR: z.ZodType<NewFactorBody> = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('totp'), label: LABEL }),
  z.strictObject({ type: z.literal('recovery'), label: LABEL }),
  z.strictObject({
    type: z.literal('passkey'),
    label: LABEL,
    response: z.record(z.string(), z.unknown()).optional(),
  }),
  z.strictObject({
    type: z.literal('jwk'),
    label: LABEL,
    jwk: z.record(z.string(), z.unknown()),
    scopes: SCOPES,
  }),
  z.strictObject({
    type: z.literal('client_cert'),
    label: LABEL,
    csr: z.string(),
    scopes: SCOPES,
    days: z.number().positive().max(3650).optional(),
  }),
])

const CODE: z.ZodType<{ code: string }> = z.strictObject({ code: z.string().min(1).max(32) })

/** What a service may ask for beside a password. */
const SECOND: ReadonlySet<string> = new Set(['totp', 'passkey'])

const MOST_FACTORS = 50
