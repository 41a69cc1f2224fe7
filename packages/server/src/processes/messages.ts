/**
 * What the first process and its workers say to each other, over the channel that Node opens between them.
 *
 * @module
 */

/** To a worker; a `connection` comes with its socket. */
export type ToWorker =
  | {
      readonly type: 'start'
      /** What session tickets are sealed with. */
      readonly secret: Uint8Array
      readonly host: string
      readonly port: number
      /** What `onBound` returned. */
      readonly data: unknown
    }
  | { readonly type: 'connection'; readonly id: number }
  | { readonly type: 'reload'; readonly id: number }
  /** To the question of this number. */
  | { readonly type: 'answer'; readonly id: number; readonly outcome: WorkerOutcome }
  | { readonly type: 'news'; readonly news: unknown }
  | { readonly type: 'stop' }

/** From a worker. */
export type FromWorker =
  | { readonly type: 'hello' }
  /** The connection of this number is its own now. */
  | { readonly type: 'taken'; readonly id: number }
  /** It serves. */
  | { readonly type: 'ready'; readonly facts: unknown }
  | { readonly type: 'reloaded'; readonly id: number; readonly outcome: WorkerOutcome }
  | { readonly type: 'question'; readonly id: number; readonly question: unknown }

/** What something that was asked of another process came to: a reload of a worker, a question to the first process. */
export type WorkerOutcome =
  /** `facts` is whatever it resolved with there. */
  | { readonly ok: true; readonly facts: unknown }
  /** It goes on as before. */
  | { readonly ok: false; readonly message: string }

/** A message of one of our own processes, or `undefined` for what Node or a program of somebody's own sends. */
export function readFromWorker(message: unknown): FromWorker | undefined {
  if (typeof message !== 'object' || message === null || !('type' in message)) return undefined
  const { type } = message
  if (type === 'hello') return { type }
  if (type === 'ready' && 'facts' in message) return { type, facts: message.facts }
  if (!('id' in message) || typeof message.id !== 'number') return undefined
  const { id } = message
  if (type === 'taken') return { type, id }
  if (type === 'question' && 'question' in message) return { type, id, question: message.question }
  if (type !== 'reloaded' || !('outcome' in message)) return undefined
  return { type, id, outcome: readOutcome(message.outcome) }
}

/** The same at the other end. */
export function readToWorker(message: unknown): ToWorker | undefined {
  if (typeof message !== 'object' || message === null || !('type' in message)) return undefined
  const { type } = message
  if (type === 'stop') return { type }
  if (type === 'news' && 'news' in message) return { type, news: message.news }
  if (type === 'start' && 'secret' in message && 'host' in message && 'port' in message) {
    const { secret, host, port } = message
    if (!(secret instanceof Uint8Array) || typeof host !== 'string') return undefined
    const data = 'data' in message ? message.data : undefined
    return typeof port === 'number' ? { type, secret, host, port, data } : undefined
  }
  if (!('id' in message) || typeof message.id !== 'number') return undefined
  const { id } = message
  if (type === 'answer' && 'outcome' in message) {
    return { type, id, outcome: readOutcome(message.outcome) }
  }
  return type === 'connection' || type === 'reload' ? { type, id } : undefined
}

function readOutcome(outcome: unknown): WorkerOutcome {
  if (typeof outcome === 'object' && outcome !== null) {
    if ('facts' in outcome) return { ok: true, facts: outcome.facts }
    if ('message' in outcome) return { ok: false, message: String(outcome.message) }
  }
  return { ok: false, message: 'the other process did not say what became of it' }
}
