/**
 * What every group of routes is described with: operations of OpenAPI 3.1 and schemas of JSON.
 *
 * @module
 */

/** One route. */
export interface Operation {
  summary: string
  /** Needs somebody signed in; then 401 is among the answers. */
  signedIn?: boolean
  /** A token in `Authorization` is good for it as well. */
  token?: boolean
  /** Schema of the JSON body. */
  body?: string
  /** Status and what it holds: a schema's name, a media type, or nothing. */
  answer: [status: number, content?: string]
  parameters?: readonly object[]
}

/** The route as the document has it. */
export function describe({
  summary,
  signedIn,
  token,
  body,
  answer,
  parameters,
}: Operation): object {
  const [status, content] = answer
  return {
    summary,
    ...(signedIn === true
      ? { security: [{ session: [] }, ...(token === true ? [{ token: [] }] : [])] }
      : {}),
    ...(parameters === undefined ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: true, content: jsonContent(body) } }),
    responses: {
      [status]: {
        description: summary,
        ...(content === undefined ? {} : { content: contentOf(content) }),
      },
      ...(signedIn === true ? { 401: PROBLEM } : {}),
      default: PROBLEM,
    },
  }
}

function contentOf(content: string): object {
  return content.includes('/') ? { [content]: {} } : jsonContent(content)
}

function jsonContent(schema: string): object {
  return { 'application/json': { schema: { $ref: `#/components/schemas/${schema}` } } }
}

const PROBLEM = {
  description: 'A refusal (RFC 9457)',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
}

/** A part of the path. */
export const pathParameter = (name: string): object => ({
  name,
  in: 'path',
  required: true,
  schema: { type: 'string' },
})
/** A member of the query. */
export const queryParameter = (name: string, description: string): object => ({
  name,
  in: 'query',
  description,
  schema: { type: 'string' },
})

/** A text. */
export const text: object = { type: 'string' }
/** A time in ISO 8601. */
export const time: object = { type: 'string', format: 'date-time' }
/** A list of one kind. */
export const list = (items: object): object => ({ type: 'array', items })
/** An object; without a second argument it has all of its members. */
export const record = (
  properties: Record<string, object>,
  required: readonly string[] = Object.keys(properties),
): object => ({
  type: 'object',
  properties,
  required,
})

/** Or nothing. */
export const nullable = (schema: object): object => ({ anyOf: [schema, { type: 'null' }] })
