/**
 * The command line: every command, its options and its help.
 *
 * A command is loaded when the command line names it: all of them together take as long to load as most commands take to run.
 *
 * @module
 */
import { type Argument, Command } from 'commander'
import { printable } from './output.ts'
import { VERSION } from './version.ts'

/**
 * The program with the command that a command line names, or with all of them where it names none, for the help and for
 * what was meant; nothing runs until it is given that line.
 *
 * @param argv - the command line, with the two leading entries of `process.argv`
 */
export async function buildProgram(argv: readonly string[]): Promise<Command> {
  const program = new Command('countersign')
    .description('Private HTTPS, verified at both ends.')
    .version(VERSION)
    .showSuggestionAfterError()
    .showHelpAfterError('(run with -h for help)')
    .helpCommand(false)
    .exitOverride()
    .configureHelp({
      helpWidth: 80,
      subcommandTerm: (command) =>
        [command.name(), ...command.registeredArguments.map(argumentTerm)].join(' '),
    })
    .configureOutput({
      getOutHelpWidth: () => 80,
      getErrHelpWidth: () => 80,
      outputError: (text, write) => write(printable(text)),
    })
  const [, , given = ''] = argv
  const named = COMMANDS.filter(({ names }) => names.includes(given))
  const entries = named.length > 0 ? named : COMMANDS
  const adders = await Promise.all(entries.map((entry) => entry.load()))
  for (const [index, { group }] of entries.entries()) {
    program.commandsGroup(group)
    await adders[index]?.(program, argv)
  }
  return program
}

/** An argument as the help shows it: `<url>`, `[item...]`. */
function argumentTerm(argument: Argument): string {
  const name = argument.variadic ? `${argument.name()}...` : argument.name()
  return argument.required ? `<${name}>` : `[${name}]`
}

interface Entry {
  /** The heading that the help puts it under. */
  readonly group: string
  /** The first words of the command lines that are its own. */
  readonly names: readonly string[]
  /** Loads what adds it. */
  load(): Promise<(program: Command, argv: readonly string[]) => void | Promise<void>>
}

const AUTHORITY = 'Authority:'
const CALLING = 'Serving and calling:'
const MACHINE = 'This machine:'

/** In the order of the help. */
const COMMANDS: readonly Entry[] = [
  { group: AUTHORITY, names: ['up'], load: async () => (await import('./commands/up.ts')).addUp },
  {
    group: AUTHORITY,
    names: ['init'],
    load: async () => (await import('./commands/init.ts')).addInit,
  },
  {
    group: AUTHORITY,
    names: ['import'],
    load: async () => (await import('./commands/import.ts')).addImport,
  },
  {
    group: AUTHORITY,
    names: ['issue'],
    load: async () => (await import('./commands/issue.ts')).addIssue,
  },
  {
    group: AUTHORITY,
    names: ['renew'],
    load: async () => (await import('./commands/renew.ts')).addRenew,
  },
  {
    group: AUTHORITY,
    names: ['needs-renewal'],
    load: async () => (await import('./commands/needs-renewal.ts')).addNeedsRenewal,
  },
  {
    group: AUTHORITY,
    names: ['certs'],
    load: async () => (await import('./commands/certs.ts')).addCerts,
  },
  {
    group: AUTHORITY,
    names: ['revoke'],
    load: async () => (await import('./commands/revoke.ts')).addRevoke,
  },
  {
    group: AUTHORITY,
    names: ['roll'],
    load: async () => (await import('./commands/roll.ts')).addRoll,
  },
  {
    group: AUTHORITY,
    names: ['signer'],
    load: async () => (await import('./commands/signer.ts')).addSigner,
  },
  {
    group: AUTHORITY,
    names: ['show'],
    load: async () => (await import('./commands/show.ts')).addShow,
  },
  {
    group: AUTHORITY,
    names: ['lint'],
    load: async () => (await import('./commands/lint.ts')).addLint,
  },
  {
    group: AUTHORITY,
    names: ['verify'],
    load: async () => (await import('./commands/verify.ts')).addVerify,
  },
  {
    group: AUTHORITY,
    names: ['acme'],
    load: async () => (await import('./commands/acme.ts')).addAcme,
  },
  {
    group: AUTHORITY,
    names: ['enroll-token'],
    load: async () => (await import('./commands/enroll-token.ts')).addEnrollToken,
  },
  {
    group: AUTHORITY,
    names: ['policy'],
    load: async () => (await import('./commands/policy.ts')).addPolicy,
  },
  {
    group: AUTHORITY,
    names: ['user'],
    load: async () => (await import('./commands/user.ts')).addUser,
  },
  {
    group: AUTHORITY,
    names: ['token'],
    load: async () => (await import('./commands/token.ts')).addToken,
  },
  {
    group: AUTHORITY,
    names: ['audit'],
    load: async () => (await import('./commands/audit.ts')).addAudit,
  },
  {
    group: CALLING,
    names: ['serve'],
    load: async () => (await import('./commands/serve.ts')).addServe,
  },
  {
    group: CALLING,
    names: ['get', 'head', 'post', 'put', 'patch', 'delete', 'options'],
    load: async () => (await import('./commands/request.ts')).addRequests,
  },
  {
    group: CALLING,
    names: ['fetch'],
    load: async () => (await import('./commands/fetch.ts')).addFetch,
  },
  {
    group: CALLING,
    names: ['login'],
    load: async () => (await import('./commands/login.ts')).addLogin,
  },
  {
    group: CALLING,
    names: ['logout'],
    load: async () => (await import('./commands/login.ts')).addLogout,
  },
  {
    group: CALLING,
    names: ['password'],
    load: async () => (await import('./commands/password.ts')).addPassword,
  },
  {
    group: MACHINE,
    names: ['doctor'],
    load: async () => (await import('./commands/doctor.ts')).addDoctor,
  },
  {
    group: MACHINE,
    names: ['explain'],
    load: async () => (await import('./commands/explain.ts')).addExplain,
  },
  {
    group: MACHINE,
    names: ['trust'],
    load: async () => (await import('./commands/trust.ts')).addTrust,
  },
  {
    group: MACHINE,
    names: ['bootstrap'],
    load: async () => (await import('./commands/bootstrap.ts')).addBootstrap,
  },
  {
    group: MACHINE,
    // It is about all of them.
    names: [],
    load: async () => (await import('./commands/completion.ts')).addCompletion,
  },
]
