/**
 * The thread that reads long revocation lists: everything that takes time is done here, and the result is moved, not copied.
 *
 * @module
 */
import { hash } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { readBoundedFile } from '@countersign/core'
import { Certificate, CertificateRevocationList, X509Error } from '@countersign/x509'
import type { ListTask, ReadList, ThreadAnswer } from './list-reader.ts'

const task: ListTask = workerData
const answer = answerOf(task)
const buffers =
  'lists' in answer
    ? answer.lists.flatMap(({ der, index }) => [der.buffer, index.slots.buffer])
    : []
parentPort?.postMessage(answer, buffers)

function answerOf(given: ListTask): ThreadAnswer {
  try {
    return { lists: read(given) }
  } catch (error) {
    // What is wrong with the bytes is wrong with them on every thread; anything else ends this one.
    if (error instanceof X509Error) return { fault: error.message }
    throw error
  }
}

function read({ name, path, data, authorities }: ListTask): ReadList[] {
  const bytes =
    path === undefined
      ? new Uint8Array(new Uint8Array(data ?? new SharedArrayBuffer(0)))
      : readBoundedFile(path)
  const candidates = authorities.map((der) => Certificate.parse(der))
  return CertificateRevocationList.parseAll(bytes, name).map((list) => ({
    // A copy with a buffer of its own, so that it can be moved.
    der: new Uint8Array(list.der),
    index: list.index,
    sha256: hash('sha256', list.der),
    issuedBy: candidates.map((one) => list.issuedBy(one)),
  }))
}
