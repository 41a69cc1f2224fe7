/**
 * Request items into what the client sends: JSON unless a form was asked for, and a form of parts where there are files.
 *
 * @module
 */
import type { RequestOptions } from '@countersign/client'
import { ProgramError } from './errors.ts'
import { nestedJson } from './nested-json.ts'
import type { BodyItem, FileItem, RequestItems } from './request-items.ts'

/** How the fields are to be sent. */
export interface BodyFlags {
  form?: boolean
  multipart?: boolean
}

/**
 * Headers, query and body of a request.
 *
 * @throws {@link ProgramError} `usage` for items that contradict each other
 */
export async function requestContent(
  items: RequestItems,
  flags: BodyFlags,
): Promise<Pick<RequestOptions, 'headers' | 'params' | 'json' | 'form' | 'body'>> {
  const { headers, query: params, body, raw } = items
  if (raw !== undefined) {
    if (body.length === 0) {
      return { headers: withType(headers, raw.type), params, body: raw.data }
    }
    throw new ProgramError('usage', 'a file as the whole body and fields contradict each other', {
      hint: 'give the file a field: field@file',
    })
  }
  if (flags.multipart === true || body.some(({ kind }) => kind === 'file')) {
    // The platform's own encoder of multipart/form-data; it makes up the boundary.
    const encoded = new Response(multipart(body))
    const type = encoded.headers.get('content-type') ?? ''
    const others = headers.filter(([name]) => name.toLowerCase() !== 'content-type')
    return { headers: [...others, ['content-type', type]], params, body: await encoded.bytes() }
  }
  if (body.length === 0) return { headers, params }
  if (flags.form === true) {
    return { headers, params, form: body.map((item) => [item.name, fieldText(item)] as const) }
  }
  const entries = body.map((item): [string, unknown] => [item.name, valueOf(item)])
  const hasAccept = headers.some(([name]) => name.toLowerCase() === 'accept')
  return {
    headers: hasAccept ? headers : [...headers, ['accept', 'application/json, */*;q=0.5']],
    params,
    json: nestedJson(entries),
  }
}

function multipart(body: readonly BodyItem[]): FormData {
  const form = new FormData()
  for (const item of body) {
    if (item.kind === 'file') form.append(item.name, fileOf(item.file))
    else form.append(item.name, fieldText(item))
  }
  return form
}

function fileOf({ name, type, data }: FileItem): File {
  return new File([Buffer.from(data)], name, { type })
}

function fieldText(item: BodyItem): string {
  const value = valueOf(item)
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function valueOf(item: BodyItem): unknown {
  return item.kind === 'file' ? item.file.name : item.value
}

function withType(
  headers: RequestItems['headers'],
  type: string,
): readonly (readonly [string, string | undefined])[] {
  const hasType = headers.some(([name]) => name.toLowerCase() === 'content-type')
  return hasType ? headers : [...headers, ['content-type', type]]
}
