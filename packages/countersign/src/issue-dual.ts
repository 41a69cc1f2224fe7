/**
 * `countersign issue --dual`: two certificates for the same names, `NAME.crt` as ever and `NAME.ml-dsa.crt` under the second
 * authority; `roots.pem` holds the roots of both.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Issued } from '@countersign/authority'
import { type Certificate, type KeyType, PrivateKey } from '@countersign/x509'
import { accountName } from './account-name.ts'
import type { CommandContext } from './command.ts'
import type { DataFolder } from './data-folder.ts'
import { POST_QUANTUM, requirePostQuantum } from './dual.ts'
import { ProgramError } from './errors.ts'
import { careForIssuer } from './issuer-care.ts'
import { withAuthority } from './open-data.ts'
import { type ProfileFlags, profileOf } from './profile-flags.ts'

/** The flags of `issue` that go with `--dual`. */
export interface IssueDualFlags extends ProfileFlags {
  keyType: KeyType
  days?: number
  out: string
  force?: boolean
}

/**
 * Issues both and writes their files.
 *
 * @throws ProgramError `usage`, `not-initialised`, `file-exists`; AuthorityError as `issue` and `writeIdentity`
 */
export async function issueDual(
  names: readonly string[],
  flags: IssueDualFlags,
  { output, data }: CommandContext,
): Promise<void> {
  const second = requirePostQuantum(data)
  const { identityFileName, writeIdentity } = await import('@countersign/authority')
  const folder = path.resolve(flags.out)
  const base = identityFileName(names[0] ?? '')
  const files = { classic: base, postQuantum: `${base}.ml-dsa` }
  if (flags.force !== true) {
    for (const name of Object.values(files)) refuseKey(path.join(folder, `${name}.key`))
  }
  const note = (text: string): void => output.note(text)
  const classic = await issueUnder(data, names, { ...flags, note })
  const postQuantum = await issueUnder(second, names, { ...flags, keyType: POST_QUANTUM, note })
  const shared = {
    roots: [...classic.roots, ...postQuantum.roots],
    formerRoots: [...classic.formerRoots, ...postQuantum.formerRoots],
    overwrite: flags.force === true,
  }
  const results = []
  for (const [file, one] of [
    [files.classic, classic],
    [files.postQuantum, postQuantum],
  ] as const) {
    const { certificate, serialNumber } = one.issued
    const written = await writeIdentity(folder, file, one.issued, { ...shared, key: one.key })
    results.push({
      serial: serialNumber,
      names: certificate.subjectAltNames,
      notAfter: certificate.notAfter,
      fingerprint: certificate.fingerprint,
      files: written,
    })
  }
  const [first, other] = results
  const paths = results.flatMap((one) => [one.files.certificate, one.files.key])
  output.result(
    { ...first, postQuantum: other },
    [...paths, first?.files.roots].filter((file) => file !== undefined).join('\n'),
  )
  for (const { serial, notAfter } of results) {
    output.note(`serial ${serial}, valid until ${notAfter.toISOString()}`)
  }
}

interface OfOne {
  readonly issued: Issued
  readonly key: PrivateKey
  readonly roots: readonly Certificate[]
  readonly formerRoots: readonly Certificate[]
}

async function issueUnder(
  data: DataFolder,
  names: readonly string[],
  { note, ...flags }: IssueDualFlags & { note: (text: string) => void },
): Promise<OfOne> {
  const key = await PrivateKey.generate(flags.keyType)
  return await withAuthority(data, async (authority) => {
    await careForIssuer(authority, data, note)
    const issued = await authority.issue({
      names,
      publicKey: key.publicKey,
      profile: profileOf(flags),
      days: flags.days,
      requester: accountName(),
    })
    const { roots, formerRoots } = authority
    return { issued, key, roots, formerRoots }
  })
}

function refuseKey(file: string): void {
  if (!existsSync(file)) return
  throw new ProgramError('file-exists', `${file} is there already`, {
    hint: 'choose another folder with --out, or replace the key with --force',
  })
}
