/**
 * Who looks on, from the options of `serve`.
 *
 * @module
 */
import { ServerError } from '../errors.ts'
import type { AccessLog, AccessLogOptions } from './access-log.ts'
import { Metrics } from './metrics.ts'
import { Observer } from './observer.ts'
import { loadTracing } from './tracing.ts'

/** What of the options decides. */
interface ObserverOptions {
  readonly accessLog?: boolean | string | AccessLogOptions | undefined
  readonly metrics?: Metrics | undefined
}

/**
 * Makes the observer of a server.
 *
 * @param onFault - told that lines of the access log are lost
 * @throws {@link ServerError} `log-unwritable`, `option-invalid`
 */
export async function observerOf(
  { accessLog = false, metrics }: ObserverOptions,
  onFault: (error: unknown) => void,
): Promise<Observer> {
  if (metrics !== undefined && !(metrics instanceof Metrics)) {
    throw new ServerError('option-invalid', 'metrics must be an instance of Metrics', {
      option: 'metrics',
      hint: 'write metrics: new Metrics()',
    })
  }
  await loadTracing()
  return new Observer(await openLog(accessLog, onFault), metrics)
}

async function openLog(
  given: boolean | string | AccessLogOptions,
  onFault: (error: unknown) => void,
): Promise<AccessLog | undefined> {
  if (given === false) return undefined
  if (given === '') {
    throw new ServerError('option-invalid', 'accessLog is an empty path', { option: 'accessLog' })
  }
  // Loaded for those who want it: pino takes its time to start.
  const { AccessLog: Log } = await import('./access-log.ts')
  const options = given === true ? {} : typeof given === 'string' ? { to: given } : given
  return new Log(options, onFault)
}
