/**
 * `countersign serve`: a folder over HTTP, HTTPS or mutual TLS.
 *
 * @module
 */
import { existsSync, realpathSync } from 'node:fs'
import { isIP } from 'node:net'
import path from 'node:path'
import { errorMessage } from '@countersign/core'
import type {
  CertificateRule,
  HostsFile,
  LimitOptions,
  ReloadOutcome,
  Server,
  Workers,
} from '@countersign/server'
import type { Command } from 'commander'
import { addCommand, collect, perform, type SharedFlags, wholeNumber } from '../command.ts'
import { ProgramError } from '../errors.ts'
import { localExitCodeOf } from '../exit-code.ts'
import type { Output } from '../output.ts'
import { parseListenAddress } from '../service/listen-address.ts'
import { readServeEnvironment } from '../serve-environment.ts'
import { addFolderOptions, type FolderFlags, folderOptions } from '../serve/folder.ts'
import { idleOptions } from '../serve/idle-options.ts'
import { addLimitOptions, givenLimits, type LimitFlags } from '../serve/limits.ts'
import {
  addObserveOptions,
  observe,
  type ObserveFlags,
  observeWorkers,
  refusePathForWorkers,
  type Watched,
} from '../serve/observe.ts'
import { permitRule } from '../serve/permit.ts'
import {
  addRevocationOptions,
  listFiles,
  type RevocationFlags,
  type RevocationSettings,
  revocationSettings,
} from '../serve/revocation.ts'
import { ticketSecret } from '../serve/ticket-secret.ts'
import { rateQuestions } from '../serve/shared-rate.ts'
import {
  addUpstreamOptions,
  openUpstream,
  rateOf,
  refuseFolderAndUpstream,
  type UpstreamFlags,
} from '../serve/upstream.ts'
import {
  addUserOption,
  IDLE_GRACE_MS,
  runFirstProcess,
  ServingProcess,
  type UserFlags,
} from '../serve/processes.ts'

interface ServeFlags
  extends SharedFlags,
    UpstreamFlags,
    ObserveFlags,
    FolderFlags,
    UserFlags,
    LimitFlags,
    RevocationFlags {
  listen?: string
  https?: boolean
  verifyUser?: boolean
  askUser?: boolean
  adhoc?: boolean
  cert?: string[]
  key?: string[]
  ca?: string
  strict?: boolean
  permit?: string[]
  hosts?: string
  proxyFrom?: string[]
  http2?: boolean
  ticketSecret?: string
  workers?: number
  watch: boolean
}

/** Adds the command. */
export function addServe(program: Command): void {
  const command = addCommand(
    program,
    'serve [dir]',
    'serve a folder or an application over HTTP, HTTPS or mutual TLS',
  )
  command
    .option('--listen <host:port>', 'address to listen on (default: 127.0.0.1:8000)')
    .option('--https', 'HTTPS with --cert and --key (env: HTTPS_ENABLED)')
    .option('--verify-user', 'refuse clients without a certificate of --ca (env: VERIFY_USER)')
    .option('--ask-user', 'ask clients for a certificate; a bad one is refused, none is fine')
    .option('--adhoc', 'HTTPS with a certificate made for this run')
    .option('--cert <file>', 'certificate, leaf first (env: API_CRT; default: server.crt)', collect)
    .option('--key <file>', 'its key (env: API_KEY; default: server.key)', collect)
    .option('--ca <file>', 'roots of the clients (env: API_CA_T; default: ca.crt)')
    .option('--strict', 'cut a refused client off in its handshake instead of telling it why')
    .option(
      '--permit <name=value>',
      'let only these clients in: spiffe=spiffe://corp/web/*',
      collect,
    )
    .option('--hosts <file>', 'host names with certificates or rules of their own, in TOML')
    .option('--proxy-from <cidr>', 'take the PROXY protocol from these addresses', collect)
    .option('--http2', 'offer HTTP/2 beside HTTP/1.1')
    .option('--workers <n>', 'serve from so many processes', wholeNumber(1, 128))
    .option('--ticket-secret <file>', 'resume TLS sessions of other machines with the same file')
    .option('--no-watch', 'do not follow the files of certificates, roots and lists')
    .addHelpText('after', ENVIRONMENT_HELP)
  addRevocationOptions(command)
  addLimitOptions(command)
  addFolderOptions(command)
  addObserveOptions(command)
  addUserOption(command)
  addUpstreamOptions(command)
  command.action(async (dir: string | undefined, flags: ServeFlags) =>
    perform(
      // Its --ca and --cert are those of a server.
      { json: flags.json === true },
      async ({ output }) => {
        const folder = path.resolve(dir ?? '.')
        const settings = await settle(flags)
        refuseFolderAndUpstream(dir, flags)
        if (flags.upstream === undefined) refuseKeyInFolder(folder, settings)
        const mode = { ...settings, asks: settings.verifyUser !== false }
        const told = idleOptions(flags, mode)
        const { workerSide } = await import('@countersign/server')
        const worker = await workerSide()
        if (worker === undefined) for (const text of told) output.note(`warning: ${text}`)
        if (worker === undefined && flags.workers !== undefined && flags.workers > 1) {
          await runWorkers(flags.workers, settings, output, flags)
          return
        }
        await using serving = ServingProcess.open(flags, worker, output)
        await runServer(folder, settings, output, {
          flags,
          serving,
          isWorker: worker !== undefined,
        })
      },
      localExitCodeOf,
    ),
  )
}

/** Serves until it is told to stop. */
async function runServer(
  folder: string,
  settings: ServeSettings,
  output: Output,
  { flags, serving, isWorker }: { flags: ServeFlags; serving: ServingProcess; isWorker: boolean },
): Promise<void> {
  const { serve, serveFolder } = await import('@countersign/server')
  await using upstream = await openUpstream(flags, output, serving.ask)
  const seen = await observe(flags, isWorker, (text) => output.note(text))
  const handler = upstream?.handler ?? serveFolder(folder, folderOptions(flags, settings))
  // Where it does not come to serving, the error says it; there is nothing that goes on as before.
  let early: string[] | undefined = []
  await using server = await serve(seen.handler(handler), {
    ...settings,
    ...seen.options,
    ...serving.options,
    ...(flags.ticketSecret === undefined ? {} : { tickets: ticketSecret(flags.ticketSecret) }),
    onReload: (outcome) => {
      if (early === undefined) output.note(reloadText(outcome))
      else early.push(outcome.ok ? reloadText(outcome) : errorMessage(outcome.error))
    },
    onHandshakeError: (failure) => {
      // It stands in the access log as well.
      if (!seen.isLogged) output.note(`refused ${failure.address}: ${failure.message}`)
    },
  })
  for (const text of early) output.note(text)
  early = undefined
  serving.giveUpRights(filesOf(settings))
  await using watched = await seen.watch(server)
  const url = publicUrl(server)
  const served = upstream === undefined ? { folder } : { upstream: upstream.urls }
  const facts = {
    url,
    ...served,
    mode: modeOf(settings),
    root: server.adhocRoots,
    metrics: watched.url,
  }
  const what =
    upstream === undefined ? `serving ${folder}` : `in front of ${upstream.urls.join(', ')}`
  const line = `listening on ${url} (${modeOf(settings)}), ${what}`
  await serving.serving(server, { facts, line })
  if (server.adhocRoots !== undefined && !output.json) {
    output.note(`the root of this run, for curl --cacert:\n${server.adhocRoots.trimEnd()}`)
  }
  await serving.stopped()
  await server.close({ idleGraceMs: IDLE_GRACE_MS })
}

/** The first process of several: it holds the port, and serves nobody itself. */
async function runWorkers(
  count: number,
  settings: ServeSettings,
  output: Output,
  flags: ObserveFlags & UserFlags & UpstreamFlags,
): Promise<void> {
  refusePathForWorkers(flags)
  if (settings.adhoc) {
    throw new ProgramError('usage', '--adhoc makes a certificate for one process', {
      hint: 'leave --workers out, or give --cert and --key',
    })
  }
  const { host, port, https } = settings
  const watch = async (workers: Workers): Promise<Watched> =>
    observeWorkers(flags, workers, (text) => output.note(text))
  await runFirstProcess(
    flags,
    {
      count,
      host,
      port,
      https,
      files: filesOf(settings),
      watch,
      onQuestion: await rateQuestions(rateOf(flags)),
    },
    output,
  )
}

/** What is read from files at the start and at every reload. */
function filesOf({
  cert,
  key,
  ca,
  crl,
  hostsFile,
  moreCertificates = [],
}: ServeSettings): string[] {
  const more = moreCertificates.flatMap((one) => [one.cert, one.key])
  return [cert, key, ca, hostsFile?.file, ...more, ...listFiles(crl)].filter(
    (file) => file !== undefined,
  )
}

/** Everything `serve` of the server room is given, apart from the handler. */
interface ServeSettings extends RevocationSettings {
  host: string
  port: number
  https: boolean
  verifyUser: boolean | 'ask'
  adhoc: boolean
  cert?: string | undefined
  key?: string | undefined
  moreCertificates?: { cert: string; key: string }[] | undefined
  ca?: string | undefined
  strict?: boolean | undefined
  permit?: CertificateRule | undefined
  hostsFile?: HostsFile | undefined
  limits?: LimitOptions | undefined
  proxyProtocol?: { from: string[] } | undefined
  http2?: boolean | undefined
  watch?: boolean | undefined
}

/** Flags before environment variables, those before the file names of the layout `server.crt`, `server.key`, `ca.crt`. */
async function settle(flags: ServeFlags): Promise<ServeSettings> {
  const environment = readServeEnvironment(process.env)
  const adhoc = flags.adhoc ?? false
  const https = adhoc || (flags.https ?? environment.https)
  const verifyUser = flags.verifyUser ?? environment.verifyUser
  const address =
    flags.listen === undefined
      ? { host: environment.host ?? '127.0.0.1', port: environment.port ?? 8000 }
      : parseListenAddress(flags.listen)
  if (verifyUser && flags.askUser === true) {
    throw new ProgramError('usage', '--verify-user and --ask-user exclude each other')
  }
  const asks = verifyUser || flags.askUser === true
  if (asks && !https) {
    throw new ProgramError('usage', 'a client certificate can only be asked for over HTTPS', {
      hint: 'add --https (HTTPS_ENABLED=true)',
    })
  }
  return {
    ...address,
    https,
    verifyUser: flags.askUser === true ? 'ask' : verifyUser,
    adhoc,
    ...(https && !adhoc ? identities(flags, environment) : {}),
    ca: asks ? (flags.ca ?? environment.ca ?? 'ca.crt') : undefined,
    http2: https ? flags.http2 : undefined,
    ...revocationSettings(flags, { https, asks }),
    strict: asks ? flags.strict : undefined,
    permit: asks ? permitRule(flags.permit) : undefined,
    hostsFile: https && flags.hosts !== undefined ? await hostsIn(flags.hosts) : undefined,
    limits: givenLimits(flags).server,
    proxyProtocol: flags.proxyFrom && { from: flags.proxyFrom },
    watch: https && !adhoc && flags.watch ? true : undefined,
  }
}

/** What reads such a file is not loaded where there is none. */
async function hostsIn(file: string): Promise<HostsFile> {
  const { parseHosts } = await import('../serve/hosts-file.ts')
  return { file, parse: parseHosts }
}

/** The first certificate with its key, and those of other kinds of keys. */
function identities(
  { cert: certs = [], key: keys = [] }: ServeFlags,
  environment: ReturnType<typeof readServeEnvironment>,
): Pick<ServeSettings, 'cert' | 'key' | 'moreCertificates'> {
  const [cert = environment.cert ?? 'server.crt', ...moreCerts] = certs
  const [key = environment.key ?? 'server.key', ...moreKeys] = keys
  if (moreCerts.length !== moreKeys.length || moreCerts.length > MOST_CERTIFICATES) {
    throw new ProgramError(
      'usage',
      `${certs.length} of --cert and ${keys.length} of --key do not go together`,
      { hint: 'give each --cert with its own --key, at most four, each of another kind of key' },
    )
  }
  if (moreCerts.length === 0) return { cert, key }
  const moreCertificates = moreCerts.map((file, index) => ({
    cert: file,
    key: moreKeys[index] ?? '',
  }))
  return { cert, key, moreCertificates }
}

/** What the files that have changed came to. */
function reloadText(outcome: ReloadOutcome): string {
  if (outcome.ok) {
    const { changed, certificate } = outcome.reloaded
    const until = certificate?.notAfter.toISOString()
    return changed.length === 0
      ? 'the files say what they said'
      : `reloaded ${changed.join(' and ')}; the certificate is valid until ${until}`
  }
  return `not reloaded, going on as before: ${errorMessage(outcome.error)}`
}

/** The server's address by a name that its certificate covers, where there is one. */
function publicUrl({ certificate, host, port, url }: Server): string {
  const own = isIP(host) === 0 ? { dns: host } : { ip: host }
  if (certificate === undefined || certificate.matchesName(own)) return url
  const names = ['localhost', ...certificate.dnsNames.filter((name) => !name.startsWith('*'))]
  const name = names.find((candidate) => certificate.matchesName({ dns: candidate }))
  return name === undefined ? url : `https://${name}:${port}`
}

/** A folder that holds the server's own key would hand it out. */
function refuseKeyInFolder(folder: string, { key, moreCertificates = [] }: ServeSettings): void {
  const keys = [key, ...moreCertificates.map((one) => one.key)].filter((one) => one !== undefined)
  const inside = keys
    .map((one) => path.relative(realPath(folder), realPath(path.resolve(one))))
    .find((place) => !place.startsWith('..') && !path.isAbsolute(place))
  if (inside === undefined) return
  throw new ProgramError(
    'usage',
    `${folder} holds the server's key (${inside}), and would be served with it`,
    {
      hint: 'serve a folder without keys, as in countersign serve public',
    },
  )
}

/** Where a link leads; what is not there is somebody else's to say. */
function realPath(file: string): string {
  return existsSync(file) ? realpathSync(file) : file
}

function modeOf({ https, verifyUser }: ServeSettings): string {
  if (!https) return 'HTTP'
  if (verifyUser === 'ask') return 'HTTPS, client certificates welcome'
  return verifyUser ? 'mutual TLS' : 'HTTPS'
}

/** One of each kind of key beside the first: ECDSA, RSA, Ed25519, ML-DSA. */
const MOST_CERTIFICATES = 3

const ENVIRONMENT_HELP = `
A second --cert with its --key is for another kind of key; the client chooses.
Environment: HTTPS_ENABLED, VERIFY_USER (true or false), API_HOST, API_PORT,
API_CRT, API_KEY, API_CA_T. An option beats its variable.`
