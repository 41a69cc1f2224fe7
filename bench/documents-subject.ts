/**
 * The Flask application of the measurement of documents, by `serve()`: `node bench/documents-subject.ts FOLDER`.
 *
 * @module
 */
import path from 'node:path'
import { serve } from '@countersign/server'

const folder = process.argv[2] ?? '.'
const server = await serve(() => Response.json({ hello: 'world' }), {
  cert: path.join(folder, 'server.crt'),
  key: path.join(folder, 'server.key'),
})
console.log(`listening on ${server.url}`)
