/**
 * Reads revocation lists so that nobody waits for it: a long one on a thread of its own, which hands over bytes and an index that are
 * used as they are. Where there can be no thread the list is read here in slices; what a thread found no list is none.
 *
 * @module
 */
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import { errorCode, readBoundedFile } from '@countersign/core'
import {
  type Certificate,
  CertificateRevocationList,
  type CrlIndex,
  X509Error,
} from '@countersign/x509'

/** Where lists are read from. */
export type ListInput =
  | { readonly data: string | Uint8Array }
  | { readonly path: string; readonly size: number }

/** What the thread is given; all of it is copied or shared. */
export interface ListTask {
  readonly name: string
  readonly path: string | undefined
  readonly data: SharedArrayBuffer | undefined
  /** DER. */
  readonly authorities: readonly Uint8Array[]
}

/** One list as the thread hands it over. */
export interface ReadList {
  readonly der: Uint8Array<ArrayBuffer>
  readonly index: CrlIndex
  readonly sha256: string
  /** Of each authority of the task: whether the list is its. */
  readonly issuedBy: readonly boolean[]
}

/** What the thread says. */
export type ThreadAnswer =
  | { readonly lists: readonly ReadList[] }
  /** What is wrong with the bytes. */
  | { readonly fault: string }

/** A list, and what is known of it. */
export class LoadedList {
  readonly list: CertificateRevocationList
  /** SHA-256 of the list, lower-case hex. */
  readonly sha256: string
  /** By fingerprint of the authority. */
  readonly #issuedBy = new Map<string, boolean>()

  constructor(
    list: CertificateRevocationList,
    sha256: string,
    issuedBy: Iterable<readonly [string, boolean]> = [],
  ) {
    this.list = list
    this.sha256 = sha256
    for (const [fingerprint, is] of issuedBy) this.#issuedBy.set(fingerprint, is)
  }

  /** Whether the authority signed it; computed once for each, which takes milliseconds for a long list. */
  isIssuedBy(authority: Certificate): boolean {
    const { fingerprint } = authority
    let known = this.#issuedBy.get(fingerprint)
    if (known === undefined) {
      known = this.list.issuedBy(authority)
      if (this.#issuedBy.size >= MOST_AUTHORITIES) this.#issuedBy.clear()
      this.#issuedBy.set(fingerprint, known)
    }
    return known
  }
}

/**
 * Reads every list of a file, PEM text or DER bytes.
 *
 * @param name - where it came from, for messages
 * @param authorities - whose lists they may be: with their signatures checked as well, the first handshake need not
 * @throws X509Error where it holds no list; what Node throws for a file that cannot be read
 */
export async function readLists(
  input: ListInput,
  name: string,
  authorities: readonly Certificate[],
): Promise<LoadedList[]> {
  const size = 'path' in input ? input.size : input.data.length
  if (size >= OWN_THREAD_BYTES) {
    try {
      return await readOnThread(input, name, authorities)
    } catch (error) {
      // Whoever sends what is no list must not get the time of this thread for it.
      if (error instanceof X509Error) throw error
    }
  }
  const data = 'path' in input ? readBoundedFile(input.path) : input.data
  const lists = await CertificateRevocationList.parseAllInSlices(data, name)
  const loaded: LoadedList[] = []
  for (const list of lists) loaded.push(new LoadedList(list, await digestOf(list.der)))
  return loaded
}

async function readOnThread(
  input: ListInput,
  name: string,
  authorities: readonly Certificate[],
): Promise<LoadedList[]> {
  const task: ListTask = {
    name,
    path: 'path' in input ? input.path : undefined,
    data: 'path' in input ? undefined : await sharedCopy(input.data),
    authorities: authorities.map(({ der }) => der),
  }
  const answer = await runThread(task)
  if ('fault' in answer) throw new X509Error('crl-malformed', answer.fault, { source: name })
  return answer.lists.map(
    ({ der, index, sha256, issuedBy }) =>
      new LoadedList(
        CertificateRevocationList.fromIndex(der, index, name),
        sha256,
        authorities.map(({ fingerprint }, at) => [fingerprint, issuedBy[at] ?? false]),
      ),
  )
}

async function runThread(task: ListTask): Promise<ThreadAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<ThreadAnswer>()
  const worker = new Worker(THREAD, {
    workerData: task,
    name: 'revocation list',
    resourceLimits: { maxOldGenerationSizeMb: MOST_MEMORY_MB },
  })
  // What was too much there must not be tried again where everybody waits for it.
  const refuse = (why: string): void => {
    reject(new X509Error('crl-malformed', `${task.name}: ${why}`, { source: task.name }))
  }
  const deadline = setTimeout(() => refuse('takes more than a minute to read'), THREAD_MS)
  worker.once('message', resolve)
  worker.once('error', (error) => {
    if (errorCode(error) === 'ERR_WORKER_OUT_OF_MEMORY') refuse('takes too much memory to read')
    else reject(error)
  })
  worker.once('exit', () => reject(new Error('the thread ended without a word')))
  try {
    return await promise
  } finally {
    clearTimeout(deadline)
    void worker.terminate()
  }
}

/** In pieces with a turn of the event loop between them: the thread could be given a copy, but that is made in one go. */
async function sharedCopy(data: string | Uint8Array): Promise<SharedArrayBuffer> {
  if (data instanceof Uint8Array && data.buffer instanceof SharedArrayBuffer) {
    if (data.byteLength === data.buffer.byteLength) return data.buffer
  }
  const shared = new SharedArrayBuffer(data.length)
  const view = Buffer.from(shared)
  for (let at = 0; at < data.length; at += PIECE) {
    // PEM is ASCII: what is not is no PEM, whatever becomes of it here.
    if (typeof data === 'string') view.write(data.slice(at, at + PIECE), at, 'latin1')
    else view.set(data.subarray(at, at + PIECE), at)
    await new Promise<void>((resolve) => {
      setImmediate(resolve)
    })
  }
  return shared
}

/** On another thread. */
async function digestOf(der: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new Uint8Array(der))
  return Buffer.from(digest).toString('hex')
}

/** As this module is: TypeScript where it runs from source. */
const THREAD = new URL(`./list-thread${path.extname(import.meta.url)}`, import.meta.url)
/** Some 6,000 entries: read here in a few milliseconds, while a thread takes tens of them to start. */
const OWN_THREAD_BYTES = 256 * 1024
const THREAD_MS = 60_000
const MOST_MEMORY_MB = 1024
const MOST_AUTHORITIES = 100
const PIECE = 512 * 1024
