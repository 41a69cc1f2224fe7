/**
 * Three clients that are asked the same: ours, curl, and Python's requests. Each keeps jars of cookies by name.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { Session } from '@countersign/client'
import { outsidePython, outsideTool, runCommand, scrubEnvironment } from '@countersign/testkit'

/** One request. Without a body it is a GET. */
export interface Ask {
  url: string
  /** The PEM file that is trusted; without one the machine's own bundle. */
  roots?: string | undefined
  form?: Record<string, string>
  json?: unknown
  /** Cookies kept by hand. */
  cookies?: Record<string, string>
  bearer?: string
  /** The jar that is used; without one nothing is kept. */
  jar?: string
}

/** What came back. */
export interface Told {
  status: number
  text: string
  challenge: string | null
  setCookies: string[]
}

/** A client. */
export interface Counterpart extends AsyncDisposable {
  readonly name: string
  /** Why it is not there. */
  readonly skip: string | false
  /** @throws where there was no answer */
  ask(request: Ask): Promise<Told>
}

/** The three of them; `folder` is where curl keeps its jars. */
export function counterparts(folder: string): Counterpart[] {
  return [new Ours(), new Curl(folder), new Requests()]
}

/** The name and value of every `Set-Cookie`. */
export function valuesOf({ setCookies }: Told): Record<string, string> {
  return Object.fromEntries(
    setCookies.map((line) => {
      const [pair = ''] = line.split(';')
      const at = pair.indexOf('=')
      return [pair.slice(0, at), pair.slice(at + 1)]
    }),
  )
}

class Ours implements Counterpart {
  readonly name = 'our client'
  readonly skip = false
  readonly #jars = new Map<string, Session>()

  async ask({ url, roots, form, json, cookies, bearer, jar }: Ask): Promise<Told> {
    const session = this.#session(jar, roots)
    const isGet = form === undefined && json === undefined
    const auth = bearer === undefined ? undefined : { bearer }
    const response = isGet
      ? await session.get(url, { cookies, auth })
      : await session.post(url, { form, json, cookies, auth })
    const { headers, status } = response
    return {
      status,
      text: await response.text(),
      challenge: headers.get('www-authenticate'),
      setCookies: headers.getSetCookie(),
    }
  }

  #session(jar: string | undefined, roots: string | undefined): Session {
    const known = jar === undefined ? undefined : this.#jars.get(jar)
    if (known !== undefined) return known
    const session = new Session({ verify: roots })
    this.#jars.set(jar ?? `none ${this.#jars.size}`, session)
    return session
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#jars.values()].map(async (session) => session.close()))
  }
}

class Curl implements Counterpart {
  readonly name = 'curl'
  readonly #file = outsideTool('curl')
  readonly skip = this.#file === undefined ? 'needs curl' : false
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  async ask({ url, roots, form, json, cookies, bearer, jar }: Ask): Promise<Told> {
    const file = path.join(this.#folder, `${jar ?? ''}.cookies`)
    const args = [
      '-sS',
      '--dump-header',
      path.join(this.#folder, 'headers'),
      ...(roots === undefined ? [] : ['--cacert', roots]),
      ...Object.entries(form ?? {}).flatMap(([name, value]) => [
        '--data-urlencode',
        `${name}=${value}`,
      ]),
      ...(json === undefined
        ? []
        : ['-H', 'content-type: application/json', '-d', JSON.stringify(json)]),
      ...(bearer === undefined ? [] : ['-H', `authorization: Bearer ${bearer}`]),
      ...(cookies === undefined ? [] : ['-b', headerOf(cookies)]),
      ...(jar === undefined ? [] : ['-b', file, '-c', file]),
      url,
    ]
    const { code, stdout, stderr } = await runCommand(this.#file ?? 'curl', args)
    if (code !== 0) throw new Error(stderr)
    const head = readFileSync(path.join(this.#folder, 'headers'), 'utf8')
    const values = (name: string): string[] =>
      [...head.matchAll(new RegExp(`^${name}: (.*)\r$`, 'gim'))].map(([, value = '']) => value)
    return {
      status: Number(/^HTTP\/[\d.]+ (\d+)/.exec(head)?.[1]),
      text: stdout,
      challenge: values('www-authenticate')[0] ?? null,
      setCookies: values('set-cookie'),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** One process for all requests: starting Python takes longer than asking. */
class Requests implements Counterpart {
  readonly name = 'python3-requests'
  readonly #python = outsidePython({ modules: ['requests'] })
  readonly skip = this.#python === undefined ? 'needs python3 with requests' : false
  #child: ChildProcess | undefined
  #lines: AsyncIterator<string> | undefined

  async ask(request: Ask): Promise<Told> {
    this.#start()
    this.#child?.stdin?.write(`${JSON.stringify(request)}\n`)
    const line = await this.#lines?.next()
    const { error, ...told } = JSON.parse(
      line?.done === false ? line.value : '{"error":"it ended"}',
    )
    if (error !== undefined) throw new Error(String(error))
    return {
      status: told.status,
      text: told.text,
      challenge: told.challenge,
      setCookies: told.setCookies,
    }
  }

  #start(): void {
    if (this.#child !== undefined) return
    this.#child = spawn(this.#python ?? 'python3', ['-c', PYTHON], {
      env: scrubEnvironment(),
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    if (this.#child.stdout === null) throw new Error('no output')
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    const exited = once(child, 'exit')
    child.stdin?.end()
    await exited
  }
}

function headerOf(cookies: Record<string, string>): string {
  return Object.entries(cookies)
    .map(([name, value]) => `${name}=${value}`)
    .join('; ')
}

const PYTHON = `
import json, sys, requests
jars = {}
for line in sys.stdin:
    ask = json.loads(line)
    caller = jars.setdefault(ask['jar'], requests.Session()) if 'jar' in ask else requests
    named = {name: ask[name] for name in ('json', 'cookies') if name in ask}
    if 'form' in ask: named['data'] = ask['form']
    if 'bearer' in ask: named['headers'] = {'Authorization': 'Bearer ' + ask['bearer']}
    if 'roots' in ask: named['verify'] = ask['roots']
    try:
        r = caller.request('POST' if 'data' in named or 'json' in named else 'GET', ask['url'], **named)
        told = {'status': r.status_code, 'text': r.text, 'challenge': r.headers.get('WWW-Authenticate'),
                'setCookies': r.raw.headers.getlist('Set-Cookie')}
    except requests.exceptions.RequestException as error:
        told = {'error': str(error)}
    print(json.dumps(told), flush=True)
`
