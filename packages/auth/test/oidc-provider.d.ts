/** As much of oidc-provider as the tests use; the types that are published for it do not compile beside Express 5. */
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  export class Provider {
    constructor(issuer: string, configuration: object)
    callback(): (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void>
  }
}
