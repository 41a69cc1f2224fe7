/**
 * `countersign renew`: the same certificate for another time, written in its place.
 *
 * @module
 */
import { systemClock } from '@countersign/core'
import type { Command } from 'commander'
import {
  addCommand,
  collect,
  type CommandContext,
  dataOption,
  perform,
  type SharedFlags,
} from '../command.ts'
import { ProgramError } from '../errors.ts'
import { readLeaf } from '../leaf-file.ts'
import { type RenewedFile, renewFile, suggestedWindow } from '../renew-file.ts'
import { runHook } from '../renew-hook.ts'
import { stopSignal } from '../stop-signal.ts'

interface RenewFlags extends SharedFlags {
  rekey?: boolean
  key?: string
  daemon?: boolean
  exec?: string
  from?: string
  ca?: string[]
  extraCa?: string[]
}

/** Adds the command. */
export function addRenew(program: Command): void {
  addCommand(
    program,
    'renew <file>',
    'renew a certificate in its file, by the authority or the ACME server that it is from',
  )
    .addOption(dataOption())
    .option('--rekey', 'for a new key of the same type, which replaces the old one in its file')
    .option(
      '--key <file>',
      'the file of the key, with --rekey, --from or ACME (default: FILE with the ending .key)',
    )
    .option(
      '--from <url>',
      'by the authority on another machine; certificate and key prove who asks',
    )
    .option('--ca <file>', 'with --from: trust only the roots of this file', collect)
    .option('--extra-ca <file>', 'with --from: trust the roots of this file as well', collect)
    .option(
      '--daemon',
      'stay, and renew whenever two thirds of the life are over, or when the ACME server suggests',
    )
    .option('--exec <command>', 'run this in the shell after each renewal')
    .action(async (file: string, flags: RenewFlags) =>
      perform(flags, async (context) => {
        if (flags.daemon === true) await stay(file, flags, context)
        else await renewOnce(file, flags, context)
      }),
    )
}

async function renewOnce(
  file: string,
  flags: RenewFlags,
  { output, data }: CommandContext,
): Promise<void> {
  const note = (text: string): void => {
    output.note(text)
  }
  const renewed = await renewFile(file, flags, data, note)
  const { certificate, keyFile } = renewed
  output.result(
    {
      serial: certificate.serialNumber,
      names: certificate.subjectAltNames,
      notAfter: certificate.notAfter,
      fingerprint: certificate.fingerprint,
      files: { certificate: renewed.file, key: keyFile },
    },
    keyFile === undefined ? renewed.file : `${renewed.file}\n${keyFile}`,
  )
  output.note(
    `serial ${certificate.serialNumber}, valid until ${certificate.notAfter.toISOString()}`,
  )
  if (flags.exec !== undefined) await runHook(flags.exec, renewed)
}

/** Renews until it is told to stop; SIGHUP looks at the file now. */
async function stay(
  file: string,
  flags: RenewFlags,
  { output, data }: CommandContext,
): Promise<void> {
  if (output.json) {
    throw new ProgramError('usage', '--daemon has no result that --json could print', {
      hint: 'leave --json out: what it does is told on standard error',
    })
  }
  const { runDaemon } = await import('../renew-daemon.ts')
  const stop = new AbortController()
  const stopped = stopSignal().then((name) => {
    stop.abort(name)
    return name
  })
  const note = (text: string): void => {
    output.note(text)
  }
  using waits = new Waits()
  let last: RenewedFile | undefined
  const renewals = await runDaemon(
    {
      read: async () => (await readLeaf(file)).certificate,
      renew: async () => {
        last = await renewFile(file, flags, data, note)
        return last.certificate
      },
      tell: async () => {
        if (flags.exec !== undefined && last !== undefined) await runHook(flags.exec, last)
      },
      window: async (certificate) => suggestedWindow(file, certificate, data),
      clock: systemClock,
      wait: (ms, signal) => waits.wait(ms, signal),
      note: (text) => output.note(`${file}: ${text}`),
    },
    stop.signal,
  )
  output.note(
    `${await stopped}: stopping after ${renewals} ${renewals === 1 ? 'renewal' : 'renewals'}`,
  )
}

/** Waits that SIGHUP cuts short; it never ends the process, whatever is being done. */
class Waits implements Disposable {
  #wake: () => void = nothing
  readonly #onHangUp = (): void => {
    this.#wake()
  }

  constructor() {
    process.on('SIGHUP', this.#onHangUp)
  }

  async wait(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onAbort = (): void => {
      reject(signal.reason)
    }
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', onAbort, { once: true })
    this.#wake = resolve
    try {
      await promise
    } finally {
      this.#wake = nothing
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    }
  }

  [Symbol.dispose](): void {
    process.off('SIGHUP', this.#onHangUp)
  }
}

function nothing(): void {}
