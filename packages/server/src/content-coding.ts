/**
 * Which coding a file is sent in: one that lies beside it (`app.js.br`), or one made on the way.
 *
 * @module
 */
import type { Transform } from 'node:stream'
import { openInside, type FolderRoot, type FoundFile } from './folder-path.ts'

/** A content coding. */
export type Coding = 'br' | 'zstd' | 'gzip'

/** What a file is sent as. */
export interface Coded {
  readonly coding: Coding
  /** The coded file, open; `undefined` where it is made on the way. */
  readonly file: FoundFile | undefined
}

/** Whether a type becomes smaller: not what is compressed already. */
export function isCompressible(type: string): boolean {
  return COMPRESSIBLE.test(type)
}

/**
 * The codings a client takes, the one it wants most first; of equals the one that makes files smallest (RFC 9110 §12.5.3).
 */
export function acceptedCodings(header: string | undefined): Coding[] {
  if (header === undefined || header.length > LONGEST) return []
  const weights = new Map<string, number>()
  for (const part of header.toLowerCase().split(',')) {
    const [, name, weight] = CODING.exec(part.trim()) ?? []
    if (name !== undefined) weights.set(name === 'x-gzip' ? 'gzip' : name, Number(weight ?? 1))
  }
  const weightOf = (coding: Coding): number => weights.get(coding) ?? weights.get('*') ?? 0
  const identity = weights.get('identity') ?? 0
  return CODINGS.filter((coding) => weightOf(coding) > 0 && weightOf(coding) >= identity).toSorted(
    (one, other) => weightOf(other) - weightOf(one),
  )
}

/** The best coding for a file, or `undefined` to send it as it is. */
export async function codingFor(
  where: FolderRoot,
  found: FoundFile,
  accepted: readonly Coding[],
): Promise<Coded | undefined> {
  for (const coding of accepted) {
    const file = await openInside(where, `${found.file}.${ENDINGS[coding]}`)
    if (file === undefined) continue
    // One that is older was made of another file.
    if (file.stats.mtimeMs >= found.stats.mtimeMs) return { coding, file }
    await file.handle.close()
  }
  const [coding] = accepted
  const { size } = found.stats
  if (coding === undefined || size < SMALLEST || size > LARGEST) return undefined
  return { coding, file: undefined }
}

/** What codes on the way: fast, since it is done for every answer. */
export function encoder(coding: Coding): Transform {
  const zlib = process.getBuiltinModule('node:zlib')
  if (coding === 'gzip') return zlib.createGzip({ level: 5 })
  const { constants } = zlib
  if (coding === 'br') {
    return zlib.createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 4 } })
  }
  return zlib.createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 3 } })
}

const CODINGS: readonly Coding[] = ['br', 'zstd', 'gzip']
const ENDINGS: Readonly<Record<Coding, string>> = { br: 'br', zstd: 'zst', gzip: 'gz' }
const CODING = /^([a-z0-9*-]+)(?:\s*;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?$/
const COMPRESSIBLE =
  /^(?:text\/|application\/(?:json|xml|yaml|wasm|manifest\+json|x-pem-file)|image\/(?:svg\+xml|x-icon)|font\/(?:ttf|otf))/
/** Below, the head of the answer is most of it. */
const SMALLEST = 1024n
/** Above, it is a minute of a processor for whoever asks. */
const LARGEST = 10n * 1024n * 1024n
const LONGEST = 1000
