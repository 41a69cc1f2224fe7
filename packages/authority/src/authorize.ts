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
 */
export type Authorize = (request: Request, env: unknown) => Promise<Caller | Response>

/** What may be done, and the roles that may. Who may have what issued is for the rules of the policy to say. */
export const PERMISSIONS: Readonly<Record<'list' | 'revoke', readonly string[]>> = {
  list: ['admin', 'issuer', 'viewer'],
  revoke: ['admin', 'issuer'],
}
