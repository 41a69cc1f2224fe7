/**
 * A server with the limits it has by default: `node bench/attack-subject.ts`.
 *
 * @module
 */
import { serve } from '@countersign/server'
import { makeIdentity } from './identity.ts'

const { ca, cert, key } = makeIdentity()
const server = await serve(async (request) => new Response(await request.text()), {
  cert,
  key,
  onError: () => {},
})
process.send?.({ port: server.port, ca })
