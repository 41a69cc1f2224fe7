/**
 * SIGHUP: reload, and say what it came to.
 *
 * @module
 */
import { errorMessage } from '@countersign/core'
import type { Output } from '../output.ts'
import type { ServiceNotifier } from './notify.ts'

/**
 * Calls `reload` for every SIGHUP until it is disposed of, one after the other.
 *
 * @param reload - answers with what it came to, in words
 */
export function onHangup(
  reload: () => Promise<string>,
  { output, notifier }: { output: Output; notifier: ServiceNotifier },
): Disposable {
  let last: Promise<void> = Promise.resolve()
  const follow = async (before: Promise<void>): Promise<void> => {
    await before
    await notifier.reloading()
    let said: string
    try {
      said = await reload()
    } catch (error) {
      said = `not reloaded, going on as before: ${errorMessage(error)}`
    }
    output.note(`SIGHUP: ${said}`)
    await notifier.ready(said)
  }
  const onSignal = (): void => {
    last = follow(last)
  }
  process.on('SIGHUP', onSignal)
  return {
    [Symbol.dispose]() {
      process.off('SIGHUP', onSignal)
    },
  }
}
