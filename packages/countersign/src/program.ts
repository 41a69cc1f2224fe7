/**
 * The command line: every command, its options and its help.
 *
 * @module
 */
import { type Argument, Command } from 'commander'
import { addAudit } from './commands/audit.ts'
import { addBootstrap } from './commands/bootstrap.ts'
import { addAcme } from './commands/acme.ts'
import { addCerts } from './commands/certs.ts'
import { addCompletion } from './commands/completion.ts'
import { addDoctor } from './commands/doctor.ts'
import { addExplain } from './commands/explain.ts'
import { addFetch } from './commands/fetch.ts'
import { addInit } from './commands/init.ts'
import { addIssue } from './commands/issue.ts'
import { addLint } from './commands/lint.ts'
import { addLogin, addLogout } from './commands/login.ts'
import { addNeedsRenewal } from './commands/needs-renewal.ts'
import { addRenew } from './commands/renew.ts'
import { addRequests } from './commands/request.ts'
import { addRevoke } from './commands/revoke.ts'
import { addRoll } from './commands/roll.ts'
import { addServe } from './commands/serve.ts'
import { addShow } from './commands/show.ts'
import { addToken } from './commands/token.ts'
import { addTrust } from './commands/trust.ts'
import { addUp } from './commands/up.ts'
import { addUser } from './commands/user.ts'
import { addVerify } from './commands/verify.ts'
import { printable } from './output.ts'
import { VERSION } from './version.ts'

/**
 * The whole program; nothing runs until it is given a command line.
 *
 * @param argv - that command line, with the two leading entries of `process.argv`
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
  program.commandsGroup('Authority:')
  addUp(program)
  addInit(program)
  addIssue(program)
  addRenew(program)
  addNeedsRenewal(program)
  addCerts(program)
  addRevoke(program)
  addRoll(program)
  addShow(program)
  addLint(program)
  addVerify(program)
  addAcme(program)
  addUser(program)
  addToken(program)
  addAudit(program)
  program.commandsGroup('Serving and calling:')
  addServe(program)
  addRequests(program)
  addFetch(program)
  addLogin(program)
  addLogout(program)
  program.commandsGroup('This machine:')
  addDoctor(program)
  addExplain(program)
  addTrust(program)
  addBootstrap(program)
  await addCompletion(program, argv)
  return program
}

/** An argument as the help shows it: `<url>`, `[item...]`. */
function argumentTerm(argument: Argument): string {
  const name = argument.variadic ? `${argument.name()}...` : argument.name()
  return argument.required ? `<${name}>` : `[${name}]`
}
