/**
 * What a signer holds in memory of what it was sent: so much of one client, and so much in all. Whoever would go beyond is sent away
 * before anything of its body is read.
 *
 * @module
 */

/** See the module. */
export class BytesInFlight {
  readonly #mostOfOne: number
  readonly #most: number
  readonly #held = new Map<string, number>()
  #all = 0

  constructor(mostOfOne: number, most: number) {
    this.#mostOfOne = mostOfOne
    this.#most = most
  }

  /** Takes room for a body. @returns what gives it back; `undefined` where there is none */
  take(who: string, bytes: number): Disposable | undefined {
    const held = this.#held.get(who) ?? 0
    if (held + bytes > this.#mostOfOne || this.#all + bytes > this.#most) return undefined
    this.#add(who, bytes)
    return { [Symbol.dispose]: () => this.#add(who, -bytes) }
  }

  #add(who: string, bytes: number): void {
    this.#all += bytes
    const held = (this.#held.get(who) ?? 0) + bytes
    if (held === 0) this.#held.delete(who)
    else this.#held.set(who, held)
  }
}

/** Reads a body that was announced with its length into one piece of memory; `undefined` where it is of another length. */
export async function readExactly(
  body: ReadableStream<Uint8Array> | null,
  length: number,
): Promise<Uint8Array | undefined> {
  const whole = new Uint8Array(length)
  let read = 0
  for await (const part of body ?? []) {
    if (read + part.length > length) return undefined
    whole.set(part, read)
    read += part.length
  }
  return read === length ? whole : undefined
}
