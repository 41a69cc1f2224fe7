/**
 * Where other programs keep an authority: which files of a folder are what.
 *
 * Every file is named by us, none by the folder: an index names certificates by their serials alone. What leads out of the folder, by
 * a link, is refused.
 *
 * @module
 */
import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs'
import path from 'node:path'
import { ProgramError } from '../errors.ts'

/** The files of an authority, as absolute paths; what is not there is `undefined`. */
export interface AuthorityFiles {
  /** Whose way of keeping it it is: `easy-rsa`. */
  readonly program: string
  readonly root: string | undefined
  readonly rootKey: string | undefined
  readonly issuer: string | undefined
  readonly issuerKey: string | undefined
  readonly index: string | undefined
  /** Folders whose certificates were issued by it. */
  readonly certificates: readonly string[]
  /** The number of the next list, in hex. */
  readonly crlNumber: string | undefined
  /** The newest list. */
  readonly crl: string | undefined
  /** What is there and cannot be read here. */
  readonly unreadable: string | undefined
}

/**
 * Finds them.
 *
 * @throws {@link ProgramError} `file-unreadable` where nothing of that kind is there, or a file leads out of the folder
 */
export function findAuthorityFiles(folder: string): AuthorityFiles {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new ProgramError('file-unreadable', `${folder} is no folder`)
  }
  for (const { at = '', program, root, ...layout } of LAYOUTS) {
    const base = path.join(folder, at)
    const find = (names: readonly string[] = []): string | undefined =>
      names.map((name) => path.join(base, name)).find((file) => existsSync(file))
    const found = find(root)
    if (found === undefined) continue
    const files = {
      program,
      root: found,
      rootKey: find(layout.rootKey),
      issuer: find(layout.issuer),
      issuerKey: find(layout.issuerKey),
      index: find(['index.txt']),
      certificates: (layout.certificates ?? [])
        .map((name) => path.join(base, name))
        .filter((name) => existsSync(name)),
      crlNumber: find(['crlnumber']),
      crl: find(layout.crl),
      unreadable: find(layout.unreadable),
    }
    for (const file of [
      ...Object.values(files).filter((value) => typeof value === 'string' && value !== program),
      ...files.certificates,
    ]) {
      if (typeof file === 'string') refuseOutside(folder, file)
    }
    return files
  }
  throw new ProgramError('file-unreadable', `${folder} holds no authority that is known here`, {
    hint: 'name the files: countersign import --root FILE --root-key FILE --index FILE --certificates DIR',
  })
}

/**
 * The files of a folder that may hold certificates, by name.
 *
 * @throws {@link ProgramError} `file-unreadable` for more than a million, or a file that leads elsewhere
 */
export function certificateFiles(folder: string): string[] {
  const names = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => !entry.isDirectory() && /\.(pem|crt|cer)$/i.test(entry.name))
    .map(({ name }) => name)
    .toSorted()
  if (names.length > MOST_FILES) {
    throw new ProgramError('file-unreadable', `${folder} holds more than ${MOST_FILES} files`)
  }
  return names.map((name) => {
    const file = path.join(folder, name)
    refuseOutside(folder, file)
    return file
  })
}

function refuseOutside(folder: string, file: string): void {
  const [home, real] = [realpathSync(folder), realpathSync(file)]
  if (real === home || real.startsWith(home + path.sep)) return
  throw new ProgramError('file-unreadable', `${file} leads out of ${folder}, to ${real}`, {
    hint: 'copy what belongs to the authority into one folder, or name each file by an option',
  })
}

interface Layout {
  readonly program: string
  /** Below the folder that was given. */
  readonly at?: string
  /** The first that is there tells the layout. */
  readonly root: readonly string[]
  readonly rootKey: readonly string[]
  readonly issuer?: readonly string[]
  readonly issuerKey?: readonly string[]
  readonly certificates?: readonly string[]
  readonly crl?: readonly string[]
  readonly unreadable?: readonly string[]
}

const EASY_RSA = {
  program: 'easy-rsa',
  root: ['ca.crt'],
  rootKey: ['private/ca.key'],
  certificates: ['certs_by_serial', 'issued', 'revoked/certs_by_serial'],
  crl: ['crl.pem'],
} as const

const MOST_FILES = 1_000_000
const LAYOUTS: readonly Layout[] = [
  { program: 'mkcert', root: ['rootCA.pem'], rootKey: ['rootCA-key.pem'] },
  {
    program: 'step-ca',
    root: ['certs/root_ca.crt'],
    rootKey: ['secrets/root_ca_key'],
    issuer: ['certs/intermediate_ca.crt'],
    issuerKey: ['secrets/intermediate_ca_key'],
    unreadable: ['db'],
  },
  { ...EASY_RSA, at: 'pki' },
  EASY_RSA,
  {
    program: 'openssl ca',
    root: ['cacert.pem', 'ca.pem', 'certs/ca.cert.pem', 'certs/ca.crt', 'ca.cert.pem'],
    rootKey: ['private/cakey.pem', 'private/ca.key.pem', 'private/ca.key', 'cakey.pem', 'ca.key'],
    certificates: ['newcerts'],
    crl: ['crl.pem', 'crl/ca.crl.pem', 'crl/crl.pem'],
  },
]
