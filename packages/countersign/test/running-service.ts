/**
 * A running `countersign up` with its first administrator, for tests that talk to it.
 */
import path from 'node:path'
import { Session } from '@countersign/client'
import { type RunningCommand, runProgram, startProgram } from '@countersign/testkit'

/** A service and how to reach it. */
export interface RunningService extends AsyncDisposable {
  data: string
  roots: string
  url: string
  /** The one-time code of a first start. */
  setupCode: string | undefined
  command: RunningCommand
}

/** Starts `countersign up` on a folder and waits until it listens. */
export async function startUp(
  data: string,
  args: readonly string[] = [],
  options: { env?: Record<string, string>; shipped?: boolean } = {},
): Promise<RunningService> {
  const command = startProgram(['up', '--data', data, '--listen', '127.0.0.1:0', ...args], options)
  const [, url = ''] = await command.waitForOutput(/listening on (https:\/\/\S+)/)
  await command.waitForOutput('/console/')
  const [, setupCode] = /with this code:\n\s+(\S+)/.exec(command.stdout()) ?? []
  return {
    data,
    roots: path.join(data, 'roots.pem'),
    url,
    setupCode,
    command,
    async [Symbol.asyncDispose]() {
      await command[Symbol.asyncDispose]()
    },
  }
}

/** The password of every user that these tests make. */
export const PASSWORD = 'correct horse battery staple'

/** Adds a user beside the running service. */
export async function addUser(data: string, name: string, ...roles: string[]): Promise<void> {
  const { code, stderr } = await runProgram(
    [
      'user',
      'add',
      name,
      '--data',
      data,
      '--password-stdin',
      ...roles.flatMap((role) => ['--role', role]),
    ],
    { input: `${PASSWORD}\n` },
  )
  if (code !== 0) throw new Error(stderr)
}

/** A session that has signed in. */
export async function signIn(
  service: Pick<RunningService, 'url' | 'roots'>,
  username: string,
): Promise<Session> {
  const session = new Session({ baseUrl: service.url, ca: service.roots })
  const response = await session.post('/login', { json: { username, password: PASSWORD } })
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
  await response.bytes()
  return session
}
