/**
 * The form that OAuth endpoints take (RFC 6749 §3.2): a parameter once, an empty one like one that is not there.
 *
 * @module
 */
import { readFields } from '../request-body.ts'
import { OAuthRefusal } from './oauth-error.ts'

/** The parameters of a request. */
export class OAuthForm {
  readonly #values: ReadonlyMap<string, string>

  private constructor(values: ReadonlyMap<string, string>) {
    this.#values = values
  }

  /** Reads the body of a request, at most 16 KiB of it. */
  static async read(request: Request): Promise<OAuthForm | OAuthRefusal> {
    const fields = await readFields(request)
    if (typeof fields === 'string')
      return new OAuthRefusal('invalid_request', FAULTS[fields] ?? MALFORMED)
    const { form, values } = fields
    if (!form || typeof values !== 'object' || values === null) {
      return new OAuthRefusal('invalid_request', FORM_ONLY)
    }
    const texts = new Map<string, string>()
    for (const [name, value] of Object.entries(values)) {
      if (typeof value === 'string' && value !== '') texts.set(name, value)
    }
    return new OAuthForm(texts)
  }

  /** The parameters of a request in another form. */
  static of(values: { readonly [name: string]: string | undefined }): OAuthForm {
    const given = Object.entries(values).flatMap(([name, value]): [string, string][] =>
      value === undefined || value === '' ? [] : [[name, value]],
    )
    return new OAuthForm(new Map(given))
  }

  /** The value of a parameter. */
  get(name: string): string | undefined {
    return this.#values.get(name)
  }
}

const FORM_ONLY = 'the body is application/x-www-form-urlencoded'
const MALFORMED = 'the body cannot be read, or a parameter is there twice'
const FAULTS: { readonly [code: string]: string | undefined } = {
  'unsupported-media-type': FORM_ONLY,
  'body-too-large': 'the body is larger than 16 KiB',
}
