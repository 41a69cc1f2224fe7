/**
 * The data folder, taken by the process that looks after a service: closed to others, locked, and by whom it belongs to.
 *
 * @module
 */
import { lstatSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { ensurePrivateFolder } from '@countersign/core'
import { type DataFolder, refuseSharedFolder } from '../data-folder.ts'
import { ProgramError } from '../errors.ts'
import { becomeUser, type ServiceUser } from '../serve/privileges.ts'
import { shellWord } from '../shell.ts'
import { ServiceLock } from './lock.ts'

/** A claim to a data folder, held until it is disposed of or the process ends. */
export class FolderClaim implements AsyncDisposable {
  readonly #data: DataFolder
  readonly #user: ServiceUser | undefined
  #lock: ServiceLock | undefined

  /**
   * Takes the folder now; where rights are to be given up first, only looks whether it is that user's.
   *
   * @throws ProgramError `already-running`, `folder-shared`, `folder-of-others`, `lock-unusable`; CoreError `folder-not-private`
   */
  constructor(data: DataFolder, user: ServiceUser | undefined) {
    this.#data = data
    this.#user = user
    if (user === undefined) this.#lock = lockFolder(data)
    else refuseFolderOfOthers(data, user)
  }

  /**
   * To be called once the port is open: becomes the user, where there is one, and takes the folder.
   *
   * @throws ProgramError `privileges-kept`, and as above
   */
  enter(): ServiceLock {
    if (this.#lock !== undefined) return this.#lock
    if (this.#user !== undefined) becomeUser(this.#user)
    this.#lock = lockFolder(this.#data)
    return this.#lock
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lock?.[Symbol.asyncDispose]()
  }
}

function lockFolder(data: DataFolder): ServiceLock {
  refuseSharedFolder(data)
  ensurePrivateFolder(data.path)
  return ServiceLock.take(data)
}

/** Everything in it is written by that user from now on: what root once made there would stop the service at some later hour. */
function refuseFolderOfOthers(data: DataFolder, { name, uid }: ServiceUser): void {
  const folder = lstatSync(data.path, { throwIfNoEntry: false })
  if (folder === undefined) {
    throw new ProgramError(
      'folder-of-others',
      `there is no ${data.path}, and ${name} is not to make it`,
      {
        hint: `make it: install -d -m 700 -o ${name} ${shellWord(data.path)}`,
      },
    )
  }
  const inside = folder.isDirectory() ? readdirSync(data.path) : []
  const all = [data.path, ...inside.map((one) => path.join(data.path, one))]
  const other = all.find((one) => lstatSync(one, { throwIfNoEntry: false })?.uid !== uid)
  if (other === undefined) return
  throw new ProgramError('folder-of-others', `${other} does not belong to ${name}`, {
    hint: `give the data folder to that user: chown -R ${name}: ${shellWord(data.path)}`,
  })
}
