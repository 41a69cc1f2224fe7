/**
 * Who is at the other end of a connection, as a handler sees it.
 *
 * Not here: how a certificate earns its place in it; `connection.ts` decides that.
 *
 * @module
 */
import type { Certificate } from '@countersign/x509'

/** The other end of the connection a request came by. */
export interface Peer {
  /** IP address; an IPv4 address is written as such on a dual-stack port too. */
  readonly address: string
  readonly port: number
  readonly encrypted: boolean
  /** `TLSv1.3`; absent on plain HTTP. */
  readonly protocol?: string | undefined
  /** The host name the client asked for (SNI). */
  readonly serverName?: string | undefined
  /**
   * The client's certificate: proven with its key, signed by the server's `ca`, within its validity at this very
   * request, and trusted by what the server trusts now. Never one of which any of this is not so.
   */
  readonly certificate?: Certificate | undefined
}
