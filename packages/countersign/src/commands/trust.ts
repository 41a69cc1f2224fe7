/**
 * `countersign trust`: which roots this machine's programs trust, and how to make them all trust the same.
 *
 * @module
 */
import path from 'node:path'
import { systemClock, writeFileAtomic } from '@countersign/core'
import type { TrustStore } from '@countersign/tls'
import type { Command } from 'commander'
import { addCommand, collect, dataOption, perform, type SharedFlags } from '../command.ts'
import type { DataFolder } from '../data-folder.ts'
import { table } from '../output.ts'
import { javaTrustStore } from '../java-trust-store.ts'
import { ownRoots } from '../own-roots.ts'
import { addTrustEnv } from './trust-env.ts'
import { addTrustInstall } from './trust-install.ts'

interface TrustFlags extends SharedFlags {
  ca?: string[]
  extraCa?: string[]
}

interface BundleFlags extends TrustFlags {
  out?: string
  java?: string
}

/** Adds the command and what is below it. */
export function addTrust(program: Command): void {
  const trust = program
    .command('trust')
    .summary('show and hand out the roots that are trusted')
    .description('The roots that this program trusts, and how others can trust the same.')
  withSources(addCommand(trust, 'list', 'list the trusted roots and where they come from')).action(
    async (flags: TrustFlags) =>
      perform(flags, async ({ output, data }) => {
        const store = await resolve(flags, data)
        const description = store.describe()
        const { asOption } = await import('../explanation-sections.ts')
        const own = ownRoots(data, flags.ca)
        output.result(
          { ...description, certificates: store.certificates.map((root) => summary(root)) },
          [
            table([
              ['SOURCE', 'ROOTS', 'PATH'],
              ...description.sources.map(({ name, count, path: file = '' }) => [
                file === data.roots
                  ? 'data folder'
                  : own.includes(file)
                    ? 'bootstrap'
                    : asOption(name),
                String(count),
                file,
              ]),
            ]),
            ...description.trace.map((line) => asOption(line)),
            `${description.count} roots, SHA-256 ${description.sha256}`,
          ].join('\n'),
        )
      }),
  )
  withSources(addCommand(trust, 'bundle', 'write all of them as one PEM bundle'))
    .option('--out <file>', 'file to write instead of standard output')
    .option('--java <file>', 'write a Java trust store (JKS) of the same roots as well')
    .action(async (flags: BundleFlags) =>
      perform(flags, async ({ output, data }) => {
        const store = await resolve(flags, data)
        const pem = store.toPem()
        const { java } = flags
        if (java !== undefined) {
          const bytes = javaTrustStore(store.certificates, systemClock())
          await writeFileAtomic(path.resolve(java), bytes, { mode: 0o644 })
          output.note(`${path.resolve(java)}: the same for Java`)
        }
        if (flags.out === undefined) {
          output.result({ count: store.size, pem }, pem)
          return
        }
        const file = path.resolve(flags.out)
        await writeFileAtomic(file, pem, { mode: 0o644 })
        output.result({ count: store.size, file }, `${file}: ${store.size} roots`)
      }),
    )
  addTrustEnv(trust)
  addTrustInstall(trust)
}

function withSources(command: Command): Command {
  return command
    .addOption(dataOption())
    .option('--ca <file>', 'only the roots of this file or folder', collect)
    .option('--extra-ca <file>', 'the roots of this file or folder as well', collect)
}

/** The options' trust, with the roots of the data folder added where it has any. */
async function resolve(flags: TrustFlags, data: DataFolder): Promise<TrustStore> {
  const { TrustStore: Store } = await import('@countersign/tls')
  const extra = [...(flags.extraCa ?? []), ...ownRoots(data, flags.ca)]
  return Store.resolve({ ca: flags.ca, extraCa: extra.length === 0 ? undefined : extra })
}

function summary(root: TrustStore['certificates'][number]): Record<string, unknown> {
  return {
    subject: root.subject.toString(),
    notAfter: root.notAfter,
    fingerprint: root.fingerprint,
  }
}
