/**
 * How the authority learns who is calling: it asks sign-in, which it does not know.
 *
 * @module
 */
import type { Auth, AuthPeer } from '@countersign/auth'
import { Refusal } from '@countersign/auth'
import type { Authorize } from '@countersign/authority'

/** Answers the caller by name and roles, or the refusal of sign-in. A token needs the scope of what is asked for as well. */
export function authorizeWith(auth: Auth): Authorize {
  return async (request, env, action) => {
    const scopes = [SCOPES[action]]
    const caller = await auth.authenticate(request, peerOf(env), { scopes })
    return caller instanceof Refusal ? caller.response() : caller.principal
  }
}

/** The peer that the server put into the environment; without one nothing is known of the connection. */
function peerOf(env: unknown): AuthPeer {
  if (typeof env !== 'object' || env === null || !('peer' in env)) return {}
  const { peer } = env
  return typeof peer === 'object' && peer !== null ? peer : {}
}

/** What a token has to be good for. */
const SCOPES = { list: 'ca:list', issue: 'ca:issue', revoke: 'ca:revoke' } as const
