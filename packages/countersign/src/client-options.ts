/**
 * The options of every command that calls a server. Apart from `client-session.ts`, so that a command line can be read
 * without loading the client.
 *
 * @module
 */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { collect } from './command.ts'

/** The options of every command that calls a server. */
export interface ClientFlags {
  ca?: string[]
  extraCa?: string[]
  verify?: boolean
  cert?: string
  key?: string
  session?: string
  timeout?: number
  /** `false` for none, whatever the environment names. */
  proxy?: string | false
  proxyCa?: string[]
  unixSocket?: string
}

/** The option of commands that make one call: what `explain` says, where the server is not trusted. */
export function explainOption(): Option {
  return new Option('--explain', 'where the server is not trusted, say all there is to say')
}

/** Adds those options to a command. */
export function withClientOptions(command: Command): Command {
  return command
    .option('--ca <file>', 'trust only the roots of this file or folder', collect)
    .option('--extra-ca <file>', 'trust the roots of this file or folder as well', collect)
    .option('--verify <no>', '“no” connects without verification, and says so', readVerify)
    .option('--cert <file>', 'our own certificate; may hold its key')
    .option('--key <file>', 'the key of --cert')
    .option('--session <name>', 'keep cookies under this name')
    .option('--timeout <seconds>', 'for the whole call (default: 30)', readSeconds)
    .option('--proxy <url>', 'go through this http, https, socks5 or socks5h proxy')
    .option('--no-proxy', 'go through none, whatever the environment names')
    .option('--proxy-ca <file>', 'trust only these roots for the proxy itself', collect)
    .addOption(
      new Option('--unix-socket <path>', 'connect to this socket instead of the host').conflicts([
        'proxy',
        'proxyCa',
      ]),
    )
}

function readVerify(text: string): boolean {
  if (text === 'no') return false
  if (text === 'yes') return true
  throw new InvalidArgumentError('Write yes or no.')
}

/** Reads seconds from an option, as milliseconds. */
export function readSeconds(text: string): number {
  const seconds = Number(text)
  if (/^\d+(\.\d+)?$/.test(text) && seconds > 0 && seconds <= 86_400)
    return Math.round(seconds * 1000)
  throw new InvalidArgumentError('Give seconds, as in 30 or 2.5.')
}
