/**
 * `countersign trust env`: the variables that make programs trust one bundle, in the words of a shell.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { type Command, Option } from 'commander'
import { addCommand, perform, type SharedFlags } from '../command.ts'
import { ProgramError } from '../errors.ts'
import { JAVA_STORE_PASSWORD } from '../java-trust-store.ts'
import { shellWord } from '../shell.ts'

interface EnvFlags extends SharedFlags {
  shell: Shell
  java?: string
}

type Shell = (typeof SHELLS)[number]

/** Adds the command below `trust`. */
export function addTrustEnv(trust: Command): void {
  addCommand(trust, 'env <bundle>', 'print the variables that make other programs trust a bundle')
    .addOption(new Option('--shell <name>', 'whose words').choices(SHELLS).default('sh'))
    .option('--java <file>', 'a Java store of the same roots: trust bundle --java FILE')
    .action(async (bundle: string, flags: EnvFlags) =>
      perform(flags, async ({ output }) => {
        const file = existing(bundle, `countersign trust bundle --out ${shellWord(bundle)}`)
        const { TrustStore } = await import('@countersign/tls')
        const { size } = TrustStore.fromFile(file)
        const values = trustVariables(
          file,
          flags.java === undefined
            ? undefined
            : existing(flags.java, `countersign trust bundle --java ${shellWord(flags.java)}`),
        )
        const lines = Object.entries(values).map(([name, value]) => line(flags.shell, name, value))
        output.result(values, lines.join('\n'))
        if (!output.json) output.note(`${size} roots; use it with: ${USES[flags.shell](bundle)}`)
      }),
    )
}

/**
 * The variables, by name.
 *
 * @param bundle - absolute path of a PEM bundle
 * @param java - absolute path of a Java store; without one Java's own is left alone
 */
function trustVariables(bundle: string, java?: string): Record<string, string> {
  const values = Object.fromEntries(VARIABLES.map((name): [string, string] => [name, bundle]))
  if (java === undefined) return values
  const store = /[\s"']/.test(java) ? `"${java.replaceAll('"', '')}"` : java
  const options = [
    `-Djavax.net.ssl.trustStore=${store}`,
    '-Djavax.net.ssl.trustStoreType=JKS',
    `-Djavax.net.ssl.trustStorePassword=${JAVA_STORE_PASSWORD}`,
  ]
  return { ...values, JAVA_TOOL_OPTIONS: options.join(' ') }
}

function line(shell: Shell, name: string, value: string): string {
  if (shell === 'fish') {
    return `set -gx ${name} '${value.replaceAll('\\', '\\\\').replaceAll("'", String.raw`\'`)}'`
  }
  if (shell === 'powershell') return `$env:${name} = '${value.replaceAll("'", "''")}'`
  return `export ${name}=${shellWord(value)}`
}

function existing(given: string, command: string): string {
  const file = path.resolve(given)
  if (existsSync(file)) return file
  throw new ProgramError('file-unreadable', `${file} is not there`, {
    hint: `write it first: ${command}`,
  })
}

const SHELLS = ['sh', 'fish', 'powershell'] as const

const USES: Readonly<Record<Shell, (bundle: string) => string>> = {
  sh: (bundle) => `eval "$(countersign trust env ${shellWord(bundle)})"`,
  fish: (bundle) => `countersign trust env --shell fish ${shellWord(bundle)} | source`,
  powershell: (bundle) =>
    `countersign trust env --shell powershell ${bundle} | Out-String | Invoke-Expression`,
}

/** What programs read, each its own name for the same bundle. */
const VARIABLES = [
  // OpenSSL, Python's ssl, Go, Ruby, curl, and this program.
  'SSL_CERT_FILE',
  'REQUESTS_CA_BUNDLE',
  'CURL_CA_BUNDLE',
  'NODE_EXTRA_CA_CERTS',
  'DENO_CERT',
  'GIT_SSL_CAINFO',
  'PIP_CERT',
  'AWS_CA_BUNDLE',
  'HTTPLIB2_CA_CERTS',
  'GRPC_DEFAULT_SSL_ROOTS_FILE_PATH',
  'CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE',
  'NIX_SSL_CERT_FILE',
  'CARGO_HTTP_CAINFO',
  'BUNDLE_SSL_CA_CERT',
]
