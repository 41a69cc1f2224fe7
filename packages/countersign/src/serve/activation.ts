/**
 * Sockets that systemd opened before it started this process (sd_listen_fds(3)).
 *
 * @module
 */
import { ProgramError } from '../errors.ts'

/** A socket that listens already. */
export interface ActivatedSocket {
  readonly fd: number
}

/** Where the first of them is; the others follow. */
const FIRST_FD = 3

/**
 * The socket this process was started with. Its variables are taken out of the environment, so that no child takes them for its own.
 *
 * @param env - read and changed
 * @param pid - of this process: the variables count for no other (`LISTEN_PID`)
 * @returns `undefined` where there is none
 * @throws {@link ProgramError} `usage` where there are several and their names do not choose one
 */
export function activatedSocket(
  env: NodeJS.ProcessEnv = process.env,
  pid: number = process.pid,
): ActivatedSocket | undefined {
  const { LISTEN_PID: forPid, LISTEN_FDS: count = '', LISTEN_FDNAMES: names = '' } = env
  for (const name of VARIABLES) Reflect.deleteProperty(env, name)
  if (forPid !== String(pid) || count === '0') return undefined
  if (!/^[1-9]\d{0,3}$/.test(count)) {
    throw new ProgramError('usage', `LISTEN_FDS is ${JSON.stringify(count.slice(0, 40))}`, {
      hint: 'systemd sets it to the number of sockets; unset it elsewhere',
    })
  }
  if (count === '1') return { fd: FIRST_FD }
  const all = names.split(':')
  const chosen = all.indexOf(SOCKET_NAME)
  if (chosen !== -1 && chosen < Number(count) && chosen === all.lastIndexOf(SOCKET_NAME)) {
    return { fd: FIRST_FD + chosen }
  }
  throw new ProgramError('usage', `systemd passed ${count} sockets, and one is served`, {
    hint: `name it in its .socket unit: FileDescriptorName=${SOCKET_NAME}`,
  })
}

const SOCKET_NAME = 'countersign'
const VARIABLES = ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES', 'LISTEN_PIDFDID'] as const
