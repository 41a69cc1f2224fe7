/**
 * The part of @hono/node-server that is used; `paths` of tsconfig.json puts it in the place of the package's own types,
 * which pull in hono's WebSocket types, and those want a browser's.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'

/** The host or the path of a request cannot be read. */
export declare class RequestError extends Error {}

export declare function getRequestListener(
  fetch: (
    request: Request,
    environment: { incoming: IncomingMessage; outgoing: ServerResponse },
  ) => Response | Promise<Response>,
  options: {
    hostname: string
    errorHandler: (error: unknown) => Response | Promise<Response>
  },
): (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void>
