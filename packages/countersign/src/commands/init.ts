/**
 * `countersign init`: makes an authority in a data folder.
 *
 * @module
 */
import path from 'node:path'
import { ensurePrivateFolder } from '@countersign/core'
import type { KeyType } from '@countersign/x509'
import { type Command, Option } from 'commander'
import {
  addCommand,
  collectList,
  databaseOption,
  dataOption,
  noteVisiblePassword,
  perform,
  type SharedFlags,
} from '../command.ts'
import { updateConfiguration } from '../configuration.ts'
import { refuseWrongClock } from '../clock.ts'
import { refuseSharedFolder } from '../data-folder.ts'
import { type DualFlags, makePostQuantum, refuseWrongDual } from '../dual.ts'
import { KEY_TYPES } from '../key-types.ts'
import { noteKeys } from '../kept-keys.ts'
import { givenPassphrase, openDataStore, readSecretFile } from '../open-data.ts'

interface InitFlags extends SharedFlags, DualFlags {
  org?: string
  keyType?: KeyType
  constrain?: string[]
  passphraseFile?: string
  rootOut?: string
  rootPassphraseFile?: string
  database?: string
}

/** Adds the command. */
export function addInit(program: Command): void {
  addCommand(program, 'init', 'make an authority: a root and an issuer')
    .addOption(dataOption())
    .option('--org <name>', 'organization in the names of root and issuer')
    .addOption(new Option('--key-type <type>', 'keys of root and issuer').choices(KEY_TYPES))
    .option(
      '--constrain <list>',
      'only these domains and IP ranges, as in .corp.internal,10.0.0.0/8',
      collectList,
    )
    .option(
      '--passphrase-file <file>',
      'take the passphrase of the issuer’s key from here instead of making one',
    )
    .option('--root-out <file>', 'write the root’s key there, and not into the data folder')
    .option(
      '--root-passphrase-file <file>',
      'take the passphrase of the root’s key from here instead of making one',
    )
    .option('--dual', 'make a second one of ML-DSA-65 beside it, in the folder ml-dsa')
    .addOption(databaseOption('sqlite:FILE or postgres://… instead of the folder’s own SQLite'))
    .action(async (flags: InitFlags) =>
      perform(flags, async ({ output, data }) => {
        refuseWrongClock()
        refuseWrongDual(flags)
        refuseSharedFolder(data)
        noteVisiblePassword(output, flags.database)
        ensurePrivateFolder(data.path)
        const { openStore } = await import('@countersign/store')
        await using store =
          flags.database === undefined ? await openDataStore(data) : await openStore(flags.database)
        const { initAuthority } = await import('@countersign/authority')
        const settings = {
          organization: flags.org,
          constrain: flags.constrain,
          passphrase: givenPassphrase(flags.passphraseFile),
          rootPassphrase:
            flags.rootPassphraseFile === undefined
              ? undefined
              : readSecretFile(flags.rootPassphraseFile, 'passphrase'),
        }
        const authority = await initAuthority({
          ...settings,
          store,
          folder: data.path,
          keyType: flags.keyType,
          rootKeyFile: flags.rootOut === undefined ? undefined : path.resolve(flags.rootOut),
        })
        if (flags.database !== undefined) {
          await updateConfiguration(data, { database: flags.database })
        }
        const postQuantum = flags.dual === true ? await makePostQuantum(data, settings) : undefined
        const [root] = authority.roots
        output.result(
          {
            data: data.path,
            roots: data.roots,
            root: root?.subject.toString(),
            fingerprint: root?.fingerprint,
            issuer: authority.issuer.subject.toString(),
            trustDomain: authority.trustDomain,
            ...(postQuantum === undefined ? {} : { postQuantum }),
          },
          [
            `made an authority in ${data.path}`,
            `  root         ${root?.subject.toString()}, until ${root?.notAfter.toISOString().slice(0, 10)}`,
            `  fingerprint  ${root?.fingerprint}`,
            `  issuer       ${authority.issuer.subject.toString()}`,
            `clients trust  ${data.roots}`,
            ...(postQuantum === undefined
              ? []
              : [
                  `and one of ML-DSA-65 in ${postQuantum.data}`,
                  `  root         ${postQuantum.root}`,
                  `  fingerprint  ${postQuantum.fingerprint}`,
                  `clients trust  ${postQuantum.roots}, too`,
                ]),
          ].join('\n'),
        )
        noteKeys(output, data, flags)
        if (postQuantum !== undefined)
          output.note(`the same holds for what is in ${postQuantum.data}`)
      }),
    )
}
