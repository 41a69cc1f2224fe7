/**
 * Who may do what over HTTP. Who somebody is, is for others to say: the authority asks a function that it is given.
 *
 * @module
 */

/** Who is calling. */
export interface Caller {
  readonly name: string
  readonly roles: readonly string[]
}

/**
 * Says who is calling, or answers the request itself (401, with a challenge).
 *
 * @param env - what the server handed to the application, with the peer
 * @param action - what the route does that was asked for. A token that is good for one of them only has to be held against this, and not
 *   against the address: one address can be written in many ways.
 */
export type Authorize = (
  request: Request,
  env: unknown,
  action: 'list' | 'issue' | 'revoke',
) => Promise<Caller | Response>

/** What may be done, and the roles that may. Who may have what issued is for the rules of the policy to say. */
export const PERMISSIONS: Readonly<Record<'list' | 'revoke', readonly string[]>> = {
  list: ['admin', 'issuer', 'viewer'],
  revoke: ['admin', 'issuer'],
}
