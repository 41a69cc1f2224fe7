/**
 * `countersign up`: the whole service, in one process or several.
 *
 * @module
 */
import type { WorkerSide } from '@countersign/server'
import { type Command, Option } from 'commander'
import {
  addCommand,
  collect,
  collectList,
  databaseOption,
  dataOption,
  noteVisiblePassword,
  perform,
  type SharedFlags,
  wholeNumber,
} from '../command.ts'
import { readConfiguration } from '../configuration.ts'
import type { DataFolder } from '../data-folder.ts'
import { defaultDataPath } from '../data-folder.ts'
import { localExitCodeOf } from '../exit-code.ts'
import type { Output } from '../output.ts'
import { activatedSocket } from '../serve/activation.ts'
import { onHangup } from '../serve/hangup.ts'
import { ServiceNotifier } from '../serve/notify.ts'
import { serviceUser } from '../serve/privileges.ts'
import { addUserOption, type UserFlags } from '../serve/processes.ts'
import { accessLogOf, addLogOption, type ObserveFlags } from '../serve/observe.ts'
import { shellWord } from '../shell.ts'
import { stopSignal } from '../stop-signal.ts'
import type { Service } from '../service/service.ts'
import type { ServiceOptions } from '../service/settings.ts'

interface UpFlags extends SharedFlags, UserFlags, Pick<ObserveFlags, 'accessLog'> {
  listen?: string
  name?: string[]
  database?: string
  userCertificates: boolean
  requireSecondFactor?: 'admins' | 'everybody'
  acmeHttpPort?: number
  acmeTlsPort?: number
  acmeResolver?: string
  acmeAllow?: string[]
  acmeEab?: 'required' | 'optional'
  workers?: number
}

/** Adds the command. */
export function addUp(program: Command): void {
  const command = addCommand(
    program,
    'up',
    'run the service: authority, sign-in and console on one port',
  )
    .addOption(dataOption())
    .option('--listen <host:port>', 'address to listen on (default: 127.0.0.1:8443)')
    .option('--name <host>', 'a further host name of its certificate', collect)
    .addOption(databaseOption('sqlite:FILE or postgres://…; kept for later starts'))
    .option('--workers <n>', 'serve from so many processes', wholeNumber(1, 128))
    .option('--no-user-certificates', 'do not ask callers for a certificate of the authority')
    .addOption(
      new Option(
        '--require-second-factor <who>',
        'who gets nothing without a second factor',
      ).choices(['admins', 'everybody']),
    )
    .option('--acme-http-port <port>', 'port that http-01 asks (default: 80)', portNumber)
    .option('--acme-tls-port <port>', 'port that tls-alpn-01 asks (default: 443)', portNumber)
    .option('--acme-resolver <host:port>', 'DNS server of validation (default: the system’s)')
    .option(
      '--acme-allow <cidr>',
      'network that validation may reach (default: private ones)',
      collectList,
    )
    .addOption(
      new Option(
        '--acme-eab <when>',
        'accounts need a key of “acme eab create” (default: required, but not on 127.0.0.1)',
      ).choices(['required', 'optional']),
    )
  addUserOption(addLogOption(command)).action(async (flags: UpFlags) =>
    perform(
      flags,
      async ({ output, data }) => {
        const { workerSide } = await import('@countersign/server')
        const side = await workerSide()
        if (side === undefined) {
          await run(flags, data, output)
          return
        }
        try {
          await runWorker(side, optionsOf(flags, data, output))
        } finally {
          // One that could not even start ends as well, and with it the start.
          side.end()
        }
      },
      localExitCodeOf,
    ),
  )
}

/** The process that was started: it serves, or starts others that do. */
async function run(flags: UpFlags, data: DataFolder, output: Output): Promise<void> {
  noteVisiblePassword(output, flags.database)
  const socket = activatedSocket()
  const user = flags.user === undefined ? undefined : serviceUser(flags.user)
  await using notifier = new ServiceNotifier((text) => output.note(text))
  const workers = flags.workers ?? (await readConfiguration(data)).workers ?? 1
  const stopped = stopSignal()
  const options = { ...optionsOf(flags, data, output), socket, user }
  await using service = await startWith(options, workers)
  announce(output, service, data)
  using _ = followHangup(flags, service, { output, notifier })
  await notifier.ready(`listening on ${service.url}`)
  const signal = await stopped
  output.note(`${signal}: answering what is under way, then stopping`)
  await notifier.stopping()
  await service.close()
}

/** A terminal that is closed ends what was started from it, unless there is a log to be opened again. */
function followHangup(
  { accessLog }: UpFlags,
  service: Service,
  told: Parameters<typeof onHangup>[1],
): Disposable | undefined {
  if (process.stdin.isTTY && accessLog === undefined) return undefined
  const reload = async (): Promise<string> => {
    await service.reload()
    return 'certificate, roots and lists are those of now'
  }
  return onHangup(reload, told)
}

async function startWith(options: ServiceOptions, workers: number): Promise<Service> {
  if (workers === 1) {
    const { startService } = await import('../service/service.ts')
    return await startService(options)
  }
  const { startFirstProcess } = await import('../service/first-process.ts')
  return await startFirstProcess(options, workers)
}

/** One of the processes that serve. */
async function runWorker(side: WorkerSide, options: ServiceOptions): Promise<void> {
  const { startServiceWorker } = await import('../service/worker.ts')
  const signal = stopSignal()
  // The first process says what is to be done then; a terminal that is closed tells all of them.
  process.on('SIGHUP', () => {})
  await using worker = await startServiceWorker(options, side)
  worker.begin()
  await Promise.race([signal, side.stopped])
}

function optionsOf(flags: UpFlags, data: DataFolder, output: Output): ServiceOptions {
  return {
    data,
    listen: flags.listen,
    names: flags.name,
    database: flags.database,
    userCertificates: flags.userCertificates,
    requireSecondFactor: flags.requireSecondFactor,
    accessLog: accessLogOf(flags),
    acme: {
      httpPort: flags.acmeHttpPort,
      tlsPort: flags.acmeTlsPort,
      resolver: flags.acmeResolver,
      allow: flags.acmeAllow,
      externalAccountRequired:
        flags.acmeEab === undefined ? undefined : flags.acmeEab === 'required',
    },
    note: (text) => {
      output.note(text)
    },
  }
}

function announce(output: Output, service: Service, data: DataFolder): void {
  const { url, authority, setupCode, firstRun, workers } = service
  const [root] = authority.roots
  const program = commandName()
  const trust = data.path === defaultDataPath() ? '' : ` --ca ${shellWord(data.roots)}`
  output.result(
    {
      url,
      data: data.path,
      roots: data.roots,
      fingerprint: root?.fingerprint,
      acme: `${url}/acme/directory`,
      setupCode,
      firstRun,
      workers,
    },
    [
      ...(firstRun ? [`made an authority in ${data.path}`] : []),
      `listening on ${url}${workers === undefined ? '' : ` (${workers.length} workers)`}`,
      `root SHA-256 ${root?.fingerprint}`,
      '',
      'Try it:',
      `  curl --cacert ${shellWord(data.roots)} ${url}/healthz`,
      `  ${program} get ${url}/healthz${trust}`,
      `  ${url}/console/`,
      `ACME directory: ${url}/acme/directory`,
      ...(setupCode === undefined
        ? []
        : [
            '',
            `There is no administrator yet. The console makes the first one with this code:`,
            `  ${setupCode}`,
          ]),
    ].join('\n'),
  )
}

const portNumber = wholeNumber(1, 65_535)

/** How the operator can call this program: by name where it is installed, through npx inside the repository. */
function commandName(): string {
  return process.env['npm_lifecycle_event'] === undefined ? 'countersign' : 'npx countersign'
}
