/**
 * Many certificates handed over as files at once: `NAME.key` and `NAME.crt` of each, and `roots.pem` once.
 *
 * Like `identity-files.ts`, each file is whole or not there; unlike there, they are synced together when all of them are written,
 * which is what makes a thousand of them cheap.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, fchmodSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { open } from 'node:fs/promises'
import path from 'node:path'
import { checkOptions, CoreError, errorMessage, writeFileAtomic } from '@countersign/core'
import type { Certificate, PrivateKey } from '@countersign/x509'
import { AuthorityError } from './errors.ts'
import { identityFileName, makeIdentityFolder, refuseLostRoots } from './identity-files.ts'
import type { Issued } from './issue-types.ts'

/** One certificate to hand over. */
export interface IdentityItem {
  /** What the files are called after; made safe by {@link identityFileName}. */
  readonly name: string
  readonly issued: Pick<Issued, 'chain'>
  readonly key: PrivateKey
}

/** How {@link writeIdentities} writes. */
export interface IdentityBatchOptions {
  /** What the other side's certificates are checked against: `authority.roots`. */
  roots: readonly Certificate[]
  /** What was trusted once, and may be dropped from `roots.pem`: `authority.formerRoots`. @defaultValue none */
  formerRoots?: readonly Certificate[] | undefined
  /** Whether keys and roots that are there may be replaced. @defaultValue false */
  overwrite?: boolean | undefined
}

/**
 * Writes certificates and keys. Nothing is written where two would have one name, or a key is in the way.
 *
 * @returns the file of each certificate; its key lies beside it
 * @throws {@link AuthorityError} `key-exists`, `roots-differ`, `option-invalid`; CoreError `file-write-failed`, `option-unknown`
 */
export async function writeIdentities(
  folder: string,
  items: readonly IdentityItem[],
  options: IdentityBatchOptions,
): Promise<string[]> {
  checkOptions(options, ['roots', 'formerRoots', 'overwrite'], 'writeIdentities')
  const { roots, formerRoots = [], overwrite = false } = options
  const bases = identityBases(
    folder,
    items.map(({ name }) => name),
  )
  makeIdentityFolder(folder)
  const rootsFile = path.join(folder, 'roots.pem')
  if (!overwrite) {
    refuseKeys(bases)
    await refuseLostRoots(rootsFile, [...roots, ...formerRoots])
  }
  const written: string[] = []
  for (const [index, { key, issued }] of items.entries()) {
    const base = bases[index]
    if (base === undefined) throw new TypeError('each item has its file')
    // No certificate stands without its key.
    writeWhole(`${base}.key`, key.toPem(), 0o600)
    writeWhole(`${base}.crt`, issued.chain.map((certificate) => certificate.pem).join(''), 0o644)
    written.push(`${base}.key`, `${base}.crt`)
  }
  await syncAll(written)
  await writeFileAtomic(rootsFile, roots.map((root) => root.pem).join(''), { mode: 0o644 })
  return bases.map((base) => `${base}.crt`)
}

/**
 * The files of certificates without their endings.
 *
 * @throws {@link AuthorityError} `option-invalid` where two names give one file
 */
export function identityBases(folder: string, names: readonly string[]): string[] {
  const taken = new Map<string, string>()
  return names.map((name) => {
    const base = path.join(folder, identityFileName(name))
    // Some file systems do not tell upper from lower case.
    const other = taken.get(base.toLowerCase())
    if (other !== undefined) {
      throw new AuthorityError(
        'option-invalid',
        `"${other}" and "${name}" would be written to one file, ${base}.crt`,
        { hint: 'name each certificate once, by a first name of its own' },
      )
    }
    taken.set(base.toLowerCase(), name)
    return base
  })
}

/**
 * Refuses to write over keys.
 *
 * @throws {@link AuthorityError} `key-exists`
 */
export function refuseKeys(bases: readonly string[]): void {
  const present = bases.find((base) => existsSync(`${base}.key`))
  if (present === undefined) return
  throw new AuthorityError('key-exists', `${present}.key is there already`, {
    hint: 'choose another folder, or move the key away; no file was changed',
  })
}

function writeWhole(file: string, text: string, mode: number): void {
  const temporary = path.join(
    path.dirname(file),
    `.${path.basename(file)}.${randomBytes(6).toString('hex')}.tmp`,
  )
  try {
    const handle = openSync(temporary, 'wx', mode)
    try {
      // The creation mode is cut by the umask; what is asked for is what is set.
      fchmodSync(handle, mode)
      const bytes = Buffer.from(text)
      for (let at = 0; at < bytes.length; ) at += writeSync(handle, bytes, at)
    } finally {
      closeSync(handle)
    }
    renameSync(temporary, file)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw new CoreError('file-write-failed', `cannot write ${file}: ${errorMessage(error)}`, {
      cause: error,
    })
  }
}

/** A few at a time: one commit of the file system then serves several. */
async function syncAll(files: readonly string[]): Promise<void> {
  const rest = files.values()
  const work = async (): Promise<void> => {
    for (const file of rest) {
      await using handle = await open(file, 'r')
      await handle.sync()
    }
  }
  await Promise.all(Array.from({ length: SYNCS_AT_ONCE }, work))
}

const SYNCS_AT_ONCE = 4
