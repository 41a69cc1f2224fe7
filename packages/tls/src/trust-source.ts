/**
 * Reads one named source of trusted certificates. A source that is missing, empty or no certificate is an error that
 * names it; Node takes `ca: ''`, `ca: []`, garbage and DER without a word, and then trusts something else.
 *
 * @module
 */
import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs'
import path from 'node:path'
import { errorCode, errorMessage, readBoundedFile } from '@countersign/core'
import { Certificate, X509Error } from '@countersign/x509'
import { TlsError } from './errors.ts'
import type { TrustSource } from './trust-description.ts'

export type { TrustSource }

/** A source and what it holds. */
export interface TrustPart {
  readonly source: TrustSource
  readonly certificates: readonly Certificate[]
}

/**
 * Reads a file, a folder of certificates, or the data folder of an authority.
 *
 * @param name - the option or variable, for the message
 * @throws {@link TlsError} `ca-missing`, `ca-empty`, `ca-malformed`
 */
export function readPath(file: string, name: string): TrustPart {
  let isFolder: boolean
  try {
    isFolder = statSync(file).isDirectory()
  } catch (error) {
    throw missing(file, name, error)
  }
  if (!isFolder) return readFile(file, name)
  // Beside roots.pem a data folder holds leaves and issuers, which nobody asked to trust.
  const isDataFolder = existsSync(path.join(file, 'issuer.key')) && existsSync(rootsOf(file))
  return isDataFolder ? readDataFolder(file, name) : readFolder(file, name)
}

/** Reads one file of PEM blocks or one DER certificate. */
export function readFile(file: string, name: string): TrustPart {
  const certificates = certificatesOfFile(file, name)
  if (certificates.length === 0) throw empty(name, file)
  return { source: { kind: 'file', name, path: file, count: certificates.length }, certificates }
}

/**
 * Reads every `*.pem`, `*.crt`, `*.cer` and OpenSSL-hashed file (`9d66eef0.0`) of a folder, not of folders below it.
 * A file that holds other PEM blocks only (a key) is passed over; so is a link that leads nowhere, and what is no ordinary file.
 */
export function readFolder(folder: string, name: string): TrustPart {
  let files: string[]
  try {
    files = readdirSync(folder).filter((file) => FOLDER_FILES.test(file))
  } catch (error) {
    throw missing(folder, name, error)
  }
  const found = new Map<string, Certificate>()
  const seen = new Set<string>()
  for (const file of files.toSorted()) {
    const link = path.join(folder, file)
    if (!existsSync(link)) continue
    // /etc/ssl/certs holds two links to each file.
    const full = realpathSync(link)
    if (seen.has(full) || !statSync(full).isFile()) continue
    seen.add(full)
    for (const certificate of certificatesOfFile(full, name)) {
      found.set(certificate.fingerprint, certificate)
    }
  }
  if (found.size === 0) throw empty(name, folder)
  return {
    source: { kind: 'folder', name, path: folder, count: found.size },
    certificates: [...found.values()],
  }
}

/** Reads `roots.pem` of an authority's data folder, and nothing else there. */
export function readDataFolder(folder: string, name: string): TrustPart {
  const file = rootsOf(folder)
  if (!existsSync(file)) {
    throw new TlsError('ca-missing', `${name}: ${folder} holds no roots.pem`, {
      source: name,
      path: file,
      hint: `make an authority there: countersign init --data ${folder}`,
    })
  }
  const { certificates } = readFile(file, name)
  const count = certificates.length
  return { source: { kind: 'data-folder', name, path: folder, count }, certificates }
}

/** Reads PEM text or DER bytes. */
export function readBytes(data: string | Uint8Array, name: string): TrustPart {
  const certificates = certificatesOf(data, name)
  if (certificates.length === 0) throw empty(name)
  const kind = isPem(data) ? 'pem' : 'der'
  return { source: { kind, name, count: certificates.length }, certificates }
}

/** Whether text or bytes hold a PEM block; anything else is a path or DER. */
export function isPem(data: string | Uint8Array): boolean {
  if (typeof data === 'string') return data.includes(PEM_MARK)
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).includes(PEM_MARK)
}

/** A source that holds nothing. */
export function empty(name: string, file?: string): TlsError {
  return new TlsError(
    'ca-empty',
    file === undefined ? `${name} is empty` : `${name}: ${file} holds no certificate`,
    {
      source: name,
      path: file,
      hint: 'name a PEM or DER file of certificates, or a folder of them; leave it out for the default trust',
    },
  )
}

function certificatesOfFile(file: string, name: string): Certificate[] {
  let data: Uint8Array
  try {
    data = readBoundedFile(file)
  } catch (error) {
    throw missing(file, name, error)
  }
  return certificatesOf(data, name, file)
}

/** @returns none where the PEM blocks are of other kinds */
function certificatesOf(data: string | Uint8Array, name: string, file?: string): Certificate[] {
  if (data.length === 0) throw empty(name, file)
  try {
    return Certificate.parseAll(data, file === undefined ? name : `${name}: ${file}`)
  } catch (error) {
    if (!(error instanceof X509Error)) throw error
    if (error.code === 'certificate-missing') return []
    throw new TlsError('ca-malformed', error.message, {
      source: name,
      path: file,
      cause: error,
      hint: 'give a path, PEM text that begins with -----BEGIN CERTIFICATE-----, or DER bytes',
    })
  }
}

function missing(file: string, name: string, error: unknown): TlsError {
  const code = errorCode(error)
  return new TlsError(
    'ca-missing',
    code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG'
      ? `${name}: there is no file or folder ${shortened(file)}`
      : `${name}: cannot read ${shortened(file)}: ${errorMessage(error)}`,
    {
      source: name,
      path: shortened(file),
      nodeCode: code,
      cause: error,
      hint: name.startsWith('option ')
        ? 'give the path of a PEM or DER file or of a folder, or the PEM text itself'
        : `correct the variable or unset it: unset ${name}`,
    },
  )
}

/** A whole file given where a path belongs must not become the message. */
function shortened(text: string): string {
  return text.length > LONGEST_PATH ? `${text.slice(0, LONGEST_PATH)}…` : text
}

function rootsOf(folder: string): string {
  return path.join(folder, 'roots.pem')
}

/** What a file of certificates is called in a folder of them. */
export const FOLDER_FILES: RegExp = /(?:\.(?:pem|crt|cer)|^[0-9a-f]{8}\.\d+)$/i
const PEM_MARK = '-----BEGIN '
const LONGEST_PATH = 200
