/**
 * How large the bodies of a request of HTTP/2 are: its connection carries others at the same time.
 *
 * @module
 */
import type { Http2Request } from '../http2-request.ts'

/** Bytes that came and went. */
export interface Counted {
  bytesIn: number
  bytesOut: number
}

/** Counts from now on. */
export function countBodies(incoming: Http2Request): Counted {
  const counted: Counted = { bytesIn: 0, bytesOut: 0 }
  const push = incoming.push.bind(incoming)
  incoming.push = (chunk: unknown, encoding): boolean => {
    if (chunk instanceof Uint8Array) counted.bytesIn += chunk.byteLength
    return push(chunk, encoding)
  }
  const { stream } = incoming
  const write = stream.write.bind(stream)
  const end = stream.end.bind(stream)
  Object.assign(stream, {
    write: (...given: [unknown, ...never[]]): boolean => {
      counted.bytesOut += lengthOf(given[0])
      return Reflect.apply(write, undefined, given)
    },
    end: (...given: [unknown, ...never[]]): unknown => {
      counted.bytesOut += lengthOf(given[0])
      Reflect.apply(end, undefined, given)
      return stream
    },
  })
  return counted
}

function lengthOf(chunk: unknown): number {
  if (typeof chunk === 'string') return Buffer.byteLength(chunk)
  return chunk instanceof Uint8Array ? chunk.byteLength : 0
}
