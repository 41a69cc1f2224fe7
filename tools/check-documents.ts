/**
 * Fails where a document and the code disagree: the reference of commands is what the program says of itself, every error code
 * has its row, the README's snippets stand in examples that tests run, relative links lead somewhere.
 *
 * Usage: node --conditions=@countersign/source tools/check-documents.ts [--write]      --write renews the reference of commands
 *
 * @module
 */
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { commandReference } from './command-reference.ts'

const COMMANDS = 'docs/reference/commands.md'
const ERRORS = 'docs/reference/errors.md'

const problems: string[] = []
await checkCommands()
checkErrorCodes()
checkSnippets()
for (const file of globSync(['*.md', 'docs/**/*.md', 'packages/*/README.md'])) checkLinks(file)
for (const problem of problems) console.error(problem)
if (problems.length > 0) process.exitCode = 1

async function checkCommands(): Promise<void> {
  const text = await commandReference()
  if (process.argv.includes('--write')) writeFileSync(COMMANDS, text)
  if (readText(COMMANDS) !== text) {
    problems.push(
      `${COMMANDS} is not what the program says: node --conditions=@countersign/source tools/check-documents.ts --write`,
    )
  }
}

/** Codes stand in the unions of each package's `errors.ts`, and each as `code` in the first column of the table. */
function checkErrorCodes(): void {
  const rows = new Set(
    [...readText(ERRORS).matchAll(/^\| `([a-z0-9-]+)` \|/gm)].map(([, code]) => code),
  )
  const known = new Set<string>()
  for (const file of globSync('packages/*/src/errors.ts')) {
    for (const [, union = ''] of readText(file).matchAll(
      /^export type \w+Code =((?:\s*\|?\s*'[a-z0-9-]+'| *\|? *\w+)+)/gm,
    )) {
      for (const [, code = ''] of union.matchAll(/'([a-z0-9-]+)'/g)) {
        known.add(code)
        if (!rows.has(code)) problems.push(`${ERRORS}: no row for ${code} of ${file}`)
      }
    }
  }
  for (const code of rows) {
    if (code !== undefined && !known.has(code))
      problems.push(`${ERRORS}: no package has the code ${code}`)
  }
}

function checkSnippets(): void {
  const examples = globSync('examples/*.ts').map((file) => squeeze(readText(file)))
  for (const [, snippet = ''] of readText('README.md').matchAll(/^```ts\n([\s\S]*?)^```/gm)) {
    if (examples.some((example) => example.includes(squeeze(snippet)))) continue
    problems.push(`README.md: no example holds this snippet:\n${snippet}`)
  }
}

function checkLinks(file: string): void {
  for (const [, link = ''] of readText(file).matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g)) {
    if (/^[a-z]+:/.test(link)) continue
    if (!existsSync(path.join(path.dirname(file), link)))
      problems.push(`${file}: ${link} is not there`)
  }
}

function readText(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}

/** Indentation and line breaks do not count. */
function squeeze(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim()
}
