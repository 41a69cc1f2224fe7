/**
 * The module specifiers of a TypeScript source, type-only imports included, comments and strings left out.
 *
 * @module
 */

/** Every specifier that a source imports or re-exports, statically or by `import()` of a literal. */
export function readImports(source: string): string[] {
  const code = withoutComments(source)
  const found = [...code.matchAll(STATIC), ...code.matchAll(DYNAMIC)]
  const specifiers = found.flatMap(([, specifier]) => (specifier === undefined ? [] : [specifier]))
  return specifiers
}

/** Comments become blanks; strings stay, so that a `//` inside a string does not end a line. */
function withoutComments(source: string): string {
  return source.replaceAll(
    /(["'])(?:\\.|(?!\1)[^\\\n])*\1|`(?:\\.|[^\\`])*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g,
    (token) => (token.startsWith('/') ? ' ' : token.startsWith('`') ? '``' : token),
  )
}

const STATIC = /(?:^|[\n;}])\s*(?:import|export)\s+(?:[^'"`;]*?\sfrom\s*)?['"]([^'"\n]+)['"]/g
const DYNAMIC = /\bimport\(\s*['"]([^'"\n]+)['"]/g
