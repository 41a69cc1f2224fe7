/**
 * `POST /auth/step-up`: whoever is signed in proves once more who they are, and goes on under a new token (RFC 9470).
 *
 * @module
 */
import { z } from 'zod'
import { siteOf } from './factors/passkey-site.ts'
import {
  cookiesOf,
  originOf,
  type RouteContext,
  type RouteParts,
  readJson,
  refuse,
  refuseSignIn,
  sessionBody,
  type SignedIn,
  signedIn,
  withCookies,
} from './route-parts.ts'
import type { LiveSession } from './session-types.ts'
import type { StepUpFactor } from './step-up-factor.ts'

/** Proves, and renews the token. */
export async function stepUp(parts: RouteParts, c: RouteContext): Promise<Response> {
  const who = await signedIn(parts, c, { enrolling: true })
  if (who instanceof Response) return who
  const body = await readJson(parts, c, BODY)
  if (body instanceof Response) return body
  const [[field, value] = [], second] = Object.entries(body)
  const factor = parts.stepUpFactors.find((each) => each.field === field)
  if (factor === undefined || second !== undefined) return refuse(parts, 'malformed-request')
  const given = field === 'webauthn' ? await passkeyProof(parts, c, who, value) : value
  if (given instanceof Response) return given
  const checked = await factor.check(who.id, given, originOf(parts, c))
  if (checked === 'malformed') return refuse(parts, 'malformed-request')
  if (!checked.ok) return refuseSignIn(parts, checked)
  return await renewed(parts, c, who.session, factor)
}

/** `POST /auth/step-up/options`: what a browser needs to prove a passkey for this session, and for nothing else. */
export async function stepUpOptions(parts: RouteParts, c: RouteContext): Promise<Response> {
  const who = await signedIn(parts, c, { enrolling: true })
  if (who instanceof Response) return who
  const owner = await parts.users.recordById(who.id)
  if (owner?.status !== 'active') return refuse(parts, 'credentials-invalid')
  const methods = await parts.secondFactors.of(who.id)
  if (!methods.includes('webauthn')) return refuse(parts, 'factor-unknown')
  const publicKey = await parts.passkeys.optionsFor(owner, siteOf(c), purposeOf(who))
  return Response.json({ publicKey })
}

async function passkeyProof(
  parts: RouteParts,
  c: RouteContext,
  who: SignedIn,
  response: unknown,
): Promise<object | Response> {
  const owner = await parts.users.recordById(who.id)
  if (owner?.status !== 'active') return refuse(parts, 'credentials-invalid')
  return { response, site: siteOf(c), epoch: owner.epoch, purpose: purposeOf(who) }
}

/** A challenge is for one session: what was asked for in one browser proves nothing in another. */
function purposeOf({ session }: SignedIn): `step-up:${string}` {
  return `step-up:${session.sid}`
}

async function renewed(
  parts: RouteParts,
  c: RouteContext,
  session: LiveSession,
  factor: StepUpFactor,
): Promise<Response> {
  const { amr, aal } = factor
  const token = await parts.renewal.stepUp(session, { amr: [amr], aal })
  const found = token === undefined ? undefined : await parts.sessions.findToken(token)
  // Ended or renewed while the proof was looked at.
  if (token === undefined || found === undefined) return refuse(parts, 'credentials-invalid')
  const { principal } = found.context
  parts.onEvent({
    type: 'authn_step_up',
    time: parts.clock(),
    name: principal.name,
    principalId: principal.id,
    sid: found.sid,
    reason: factor.amr,
  })
  const cookies = cookiesOf(parts, c, { token, session: found })
  const headers = { 'content-type': 'application/json' }
  return withCookies(JSON.stringify(sessionBody(found)), 200, cookies, headers)
}

/** One member, whose name says what it is. */
const BODY: z.ZodType<Record<string, unknown>> = z.record(z.string().max(32), z.unknown())
