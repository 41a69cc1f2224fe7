/**
 * The program's entry: reads the command line and runs one command.
 *
 * @module
 */
import { buildProgram } from './program.ts'
import { runProgram } from './run.ts'

await runProgram(await buildProgram(process.argv), process.argv)
