/**
 * `node:http` by its back door. An `import` of it reads every name it exports, `WebSocket` among them, which loads all of
 * undici: ten milliseconds of the start of a server that never needs it.
 *
 * @module
 */
const http: typeof import('node:http') = process.getBuiltinModule('node:http')

export const createServer: typeof http.createServer = http.createServer
export const ServerResponse: typeof http.ServerResponse = http.ServerResponse
export const STATUS_CODES: typeof http.STATUS_CODES = http.STATUS_CODES
export const Agent: typeof http.Agent = http.Agent
export const request: typeof http.request = http.request
