/**
 * Administration over HTTP: who there is, who is signed in, what happened. A session of the role `admin`, proved within 15 minutes.
 *
 * @module
 */
import { Hono } from 'hono'
import {
  callerOf,
  type RouteContext,
  type RouteParts,
  readJson,
  refuse,
  STEP_UP_MS,
} from './route-parts.ts'
import { ADMIN_ROLE } from './administrators.ts'
import type { Caller } from './authenticator.ts'
import { type AuthEnv, peerOf } from './guard.ts'
import { NEW_PRINCIPAL, ROLES } from './schemas.ts'
import { isUlid } from './ulid.ts'
import type { User } from './users.ts'

/** The routes below `/admin`. */
export function adminRoutes(parts: RouteParts): Hono<AuthEnv> {
  const app = new Hono<AuthEnv>()
  const route =
    (work: (c: RouteContext, caller: Caller) => Promise<Response>) =>
    async (c: RouteContext): Promise<Response> => {
      const caller = await administrator(parts, c)
      return caller instanceof Response ? caller : await work(c, caller)
    }
  const change = (
    subject: string,
    work: (user: User, c: RouteContext, caller: Caller) => Promise<Response>,
  ) =>
    route(async (c, caller) => {
      const user = await parts.users.find(c.req.param('name') ?? '')
      if (user === undefined) return refuse(parts, 'principal-unknown')
      const answer = await work(user, c, caller)
      if (answer.ok) note(parts, c, caller, `${subject} ${user.name}`)
      return answer
    })

  app.get(
    '/admin/principals',
    route(async () => {
      const users = await parts.users.list()
      return Response.json(users.map(principalBody))
    }),
  )
  app.post(
    '/admin/principals',
    route(async (c, caller) => {
      const body = await readJson(parts, c, NEW_PRINCIPAL)
      if (body instanceof Response) return body
      const user = await parts.users.add(body)
      note(parts, c, caller, `add ${user.name}`)
      return Response.json(principalBody(user), { status: 201 })
    }),
  )
  app.get(
    '/admin/principals/:name',
    route(async (c) => {
      const user = await parts.users.find(c.req.param('name') ?? '')
      return user === undefined
        ? refuse(parts, 'principal-unknown')
        : Response.json(principalBody(user))
    }),
  )
  app.post(
    '/admin/principals/:name/disable',
    change('disable', async (user) => {
      await parts.users.disable(user.name, KEEP)
      return new Response(null, { status: 204 })
    }),
  )
  app.post(
    '/admin/principals/:name/enable',
    change('enable', async (user) => {
      await parts.users.enable(user.name)
      return new Response(null, { status: 204 })
    }),
  )
  app.put(
    '/admin/principals/:name/roles',
    change('roles', async (user, c) => {
      const body = await readJson(parts, c, ROLES)
      if (body instanceof Response) return body
      await parts.users.setRoles(user.name, body.roles, KEEP)
      return new Response(null, { status: 204 })
    }),
  )
  app.post(
    '/admin/principals/:name/reset',
    change('reset', async (user) => {
      const { code, expires } = await parts.resets.createCode(user.name)
      const expiresInSeconds = Math.round((expires.getTime() - parts.clock().getTime()) / 1000)
      return Response.json({ code, expiresInSeconds }, { status: 201 })
    }),
  )
  app.get(
    '/admin/sessions',
    route(async () => {
      const sessions = await parts.sessions.list()
      return Response.json(
        sessions.map((session) => ({
          sid: session.sid,
          principal: { id: session.principalId, name: session.name },
          created: session.created.toISOString(),
          lastSeen: session.lastSeen.toISOString(),
          expires: session.expires.toISOString(),
          address: session.address ?? null,
          userAgent: session.userAgent ?? null,
        })),
      )
    }),
  )
  app.delete(
    '/admin/sessions/:sid',
    route(async (c, caller) => {
      const sid = c.req.param('sid') ?? ''
      const ended = isUlid(sid) && (await parts.sessions.revoke(sid))
      if (!ended) return refuse(parts, 'session-unknown')
      note(parts, c, caller, `end ${sid}`)
      return new Response(null, { status: 204 })
    }),
  )
  app.get(
    '/admin/audit',
    route(async (c) => {
      const { limit, since, event } = c.req.query()
      const from = since === undefined ? undefined : new Date(since)
      const most = limit === undefined ? undefined : Number(limit)
      const isBad =
        (from !== undefined && Number.isNaN(from.getTime())) ||
        (most !== undefined && !(Number.isInteger(most) && most >= 1 && most <= 1000)) ||
        // A text that is no name of an event may be one that a database refuses.
        (event !== undefined && !/^[a-z_]{1,64}$/.test(event))
      if (isBad) return refuse(parts, 'malformed-request')
      const entries = await parts.audit.list({ limit: most, since: from, event })
      return Response.json(entries.map((entry) => ({ ...entry, time: entry.time.toISOString() })))
    }),
  )
  return app
}

/** Nobody locks everybody out from afar; where the service runs there is a way back, and no such rule. */
const KEEP = { keepAdministrator: true } as const

/** Who may administer, or what to answer. */
export async function administrator(
  parts: RouteParts,
  c: RouteContext,
): Promise<Caller | Response> {
  return await callerOf(parts, c, {
    roles: [ADMIN_ROLE],
    methods: ['session'],
    maxAuthAgeMs: STEP_UP_MS,
  })
}

function principalBody(user: User): object {
  return {
    id: user.id,
    name: user.name,
    kind: user.kind,
    status: user.status,
    roles: user.roles,
    hasPassword: user.hasPassword,
    created: user.created.toISOString(),
    disabledAt: user.disabledAt?.toISOString() ?? null,
  }
}

/** Who did what to whom. */
function note(parts: RouteParts, c: RouteContext, { context }: Caller, subject: string): void {
  parts.onEvent({
    type: 'authz_admin',
    time: parts.clock(),
    name: context.principal.name,
    principalId: context.principal.id,
    sid: context.sid,
    subject,
    address: peerOf(c)?.address,
  })
}
