/**
 * The signing keys, for administrators: what there is, and the next one put to work.
 *
 * @module
 */
import { Hono } from 'hono'
import { z } from 'zod'
import { administrator } from '../admin-routes.ts'
import { type AuthEnv, peerOf } from '../guard.ts'
import { type RouteParts, readJson } from '../route-parts.ts'
import type { OAuthParts } from './oauth.ts'

/** The routes `/admin/keys` and `/admin/keys:rotate`. */
export function adminKeyRoutes(parts: RouteParts, oauth: OAuthParts): Hono<AuthEnv> {
  const app = new Hono<AuthEnv>()
  app.get('/admin/keys', async (c) => {
    const caller = await administrator(parts, c)
    if (caller instanceof Response) return caller
    return Response.json(await oauth.keys.list())
  })
  app.post('/admin/keys:rotate', async (c) => {
    const caller = await administrator(parts, c)
    if (caller instanceof Response) return caller
    const body = await readJson(parts, c, ROTATE)
    if (body instanceof Response) return body
    const compromised = body.compromised ?? false
    await oauth.rotate(compromised)
    const { id, name } = caller.context.principal
    parts.onEvent({
      type: 'authz_admin',
      time: parts.clock(),
      reason: compromised ? 'rotate the signing keys, compromised' : 'rotate the signing keys',
      name,
      principalId: id,
      address: peerOf(c)?.address,
    })
    return Response.json(await oauth.keys.list())
  })
  return app
}

const ROTATE: z.ZodType<{ compromised?: boolean | undefined }> = z.strictObject({
  compromised: z.boolean().optional(),
})
