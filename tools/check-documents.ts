/**
 * Fails where a document and the code disagree: the references of commands and of lint rules are what the code says of itself, every
 * error code has its row, every requirement its evidence, the README's snippets stand in examples that tests run, relative links lead
 * somewhere.
 *
 * Usage: node --conditions=@countersign/source tools/check-documents.ts [--write]      --write renews both references
 *
 * @module
 */
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { commandReference } from './command-reference.ts'
import { lintReference } from './lint-reference.ts'
import { REQUIREMENTS_PAGE, requirementProblems } from './requirements.ts'

const ERRORS = 'docs/reference/errors.md'

const problems: string[] = []
checkGenerated('docs/reference/commands.md', await commandReference())
checkGenerated('docs/reference/lint.md', lintReference())
checkErrorCodes()
checkRequirements()
checkSnippets()
for (const file of globSync(['*.md', 'docs/**/*.md', 'packages/*/README.md'])) checkLinks(file)
for (const problem of problems) console.error(problem)
if (problems.length > 0) process.exitCode = 1

/** A page that is written from the code. */
function checkGenerated(file: string, text: string): void {
  if (process.argv.includes('--write')) writeFileSync(file, text)
  if (readText(file) !== text) {
    problems.push(
      `${file} is not what the code says: node --conditions=@countersign/source tools/check-documents.ts --write`,
    )
  }
}

/**
 * Codes stand in each package's `errors.ts`: in a union of literals, or as the keys of a table `STATUS` that the union is made of; each
 * has a row with the code in its first column.
 */
function checkErrorCodes(): void {
  const rows = new Set(
    [...readText(ERRORS).matchAll(/^\| +`([a-z0-9-]+)` +\|/gm)].map(([, code]) => code),
  )
  const known = new Set<string>()
  for (const file of globSync('packages/*/src/errors.ts')) {
    const codes = errorCodes(readText(file))
    if (codes.length === 0) problems.push(`${file}: no code was found`)
    for (const code of codes) {
      known.add(code)
      if (!rows.has(code)) problems.push(`${ERRORS}: no row for ${code} of ${file}`)
    }
  }
  for (const code of rows) {
    if (code !== undefined && !known.has(code))
      problems.push(`${ERRORS}: no package has the code ${code}`)
  }
}

function errorCodes(source: string): string[] {
  const code = source.replaceAll(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '')
  const parts = code.split(/^(?=export|const|class|interface|type|function)/m)
  return parts.flatMap((part) => {
    if (/^export type \w+Code =/.test(part)) return literals(part, /'([a-z0-9-]+)'/g)
    if (/^(?:const|export const) STATUS\b/.test(part))
      return literals(part, /^ {2}'?([a-z0-9-]+)'?:/gm)
    return []
  })
}

function literals(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].flatMap(([, found]) => (found === undefined ? [] : [found]))
}

function checkRequirements(): void {
  for (const problem of requirementProblems(readText(REQUIREMENTS_PAGE), readIfThere)) {
    problems.push(`${REQUIREMENTS_PAGE}: ${problem}`)
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
  return readIfThere(file) ?? ''
}

function readIfThere(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}

/** Indentation and line breaks do not count. */
function squeeze(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim()
}
