/**
 * The reference of lint rules, written from the linter's own table.
 *
 * @module
 */
import { LINT_RULES, type LintRuleFacts } from '@countersign/x509'

/** The whole page, in Markdown. */
export function lintReference(): string {
  const sections = SEVERITIES.flatMap(({ severity, title, text }) => [
    `## ${title}`,
    '',
    text,
    '',
    '| rule | about | what is wrong | way out | source | refused by |',
    '| --- | --- | --- | --- | --- | --- |',
    ...LINT_RULES.filter((rule) => rule.severity === severity).map(row),
    '',
  ])
  return `${HEAD}\n${sections.join('\n')}`
}

function row({ id, profiles, about, fix, citation, refusedBy = [] }: LintRuleFacts): string {
  const whom = profiles.length === 5 ? 'all' : profiles.join(', ')
  const cells = [`\`${id}\``, whom, about, fix, citation, refusedBy.join(', ')]
  return `| ${cells.map((cell) => cell.replaceAll('|', String.raw`\|`)).join(' | ')} |`
}

const SEVERITIES = [
  {
    severity: 'error',
    title: 'Errors',
    text: 'They break a MUST, or clients were measured to refuse them. The authority signs nothing with one of these.',
  },
  {
    severity: 'warning',
    title: 'Warnings',
    text: 'They will hurt sooner or later.',
  },
  {
    severity: 'notice',
    title: 'Notices',
    text: 'They are worth a look, and may well be meant.',
  },
] as const

const HEAD = `# Lint rules

What \`countersign lint FILE\`, \`lint()\` of \`@countersign/x509\` and the authority itself look for: ${LINT_RULES.length} rules for the certificates of
private authorities. The authority gives every certificate a throw-away signature first, looks, and signs with its real key only
what has no error; else it answers \`lint-refused\` with the findings.

A certificate is held to be a **root** or an **issuer** where it says CA:TRUE, a **server** or a **client** by its extended key
usage, and without one by its names; a **leaf** is one for anything else, such as signing mail. \`--profile\` or the option
\`profile\` overrules that. \`refused by\` names the clients that were measured to refuse such a certificate (\`python-strict\` is
CPython from 3.13); where it is empty, those six let it pass or were not asked,
or, for \`key-few-clients\` and \`extension-must-not-be-critical\`, it depends on the key or the extension: the finding says it.

Exit code of the program: 1 where a finding is an error, else 0. A rule's name never changes its meaning.

This page is written by \`node --conditions=@countersign/source tools/check-documents.ts --write\`.
`
