/**
 * Refusals over HTTP: `application/problem+json` (RFC 9457) with our stable code and hint.
 *
 * @module
 */

/** One refusal. */
export interface Problem {
  status: number
  /** Stable code; `type` becomes `urn:countersign:problem:<code>`. */
  code: string
  /** The fault, for people. */
  detail: string
  /** The way out. */
  hint?: string | undefined
  /** Further members of the document (RFC 9457 §3.2). */
  facts?: Record<string, unknown> | undefined
  headers?: Record<string, string> | undefined
}

/** The document of a problem: `type`, `title`, `status`, `code`, `detail`, `hint` and the facts. */
export function problemDocument(problem: Problem): Record<string, unknown> {
  const document: Record<string, unknown> = {
    ...problem.facts,
    type: `urn:countersign:problem:${problem.code}`,
    title: problem.code.replaceAll('-', ' '),
    status: problem.status,
    code: problem.code,
    detail: problem.detail,
  }
  if (problem.hint !== undefined) document['hint'] = problem.hint
  return document
}

/** The problem as a response, not to be stored by any cache. */
export function problemResponse(problem: Problem): Response {
  return new Response(JSON.stringify(problemDocument(problem)), {
    status: problem.status,
    headers: {
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      ...problem.headers,
    },
  })
}
