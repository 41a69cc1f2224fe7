/**
 * The program's entry: reads the command line and runs one command.
 *
 * @module
 */
import { runProgram } from './run.ts'

await runProgram(process.argv)
