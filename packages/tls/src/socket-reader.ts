/**
 * Lines and exact lengths out of a socket. It keeps no buffer of its own: what it does not use, the next read gets.
 *
 * @module
 */
import { checkOptions, type WaitOptions } from '@countersign/core'
import { TlsError } from './errors.ts'
import type { SocketInput } from './socket-input.ts'

/** How a {@link SocketReader} reads. */
export interface ReaderOptions extends WaitOptions {
  /** Longest line or stretch up to a delimiter, in bytes. @defaultValue 65536 */
  maxLength?: number | undefined
}

/** See {@link TlsSocket.reader}. */
export class SocketReader {
  readonly #input: SocketInput
  readonly #wait: WaitOptions
  readonly #maxLength: number

  /** @internal Made by {@link TlsSocket.reader}. */
  constructor(input: SocketInput, options: ReaderOptions) {
    checkOptions(options, READER_OPTIONS, 'reader')
    this.#input = input
    this.#wait = { timeoutMs: options.timeoutMs, signal: options.signal }
    this.#maxLength = options.maxLength ?? 65_536
  }

  /**
   * The next line without its LF or CR LF, as UTF-8; a last line without an end counts.
   *
   * @returns `null` at the end
   * @throws {@link TlsError} `line-too-long` and the codes of {@link TlsSocket.read}
   */
  async readLine(): Promise<string | null> {
    const bytes = await this.#until(LINE_FEED)
    if (bytes === null) return null
    let end = bytes.length
    if (bytes[end - 1] === LINE_FEED[0]) {
      end -= 1
      if (bytes[end - 1] === CARRIAGE_RETURN) end -= 1
    }
    return new TextDecoder().decode(bytes.subarray(0, end))
  }

  /** Lines to the end. */
  async *lines(): AsyncGenerator<string, void, undefined> {
    for (;;) {
      const line = await this.readLine()
      if (line === null) return
      yield line
    }
  }

  /**
   * Everything up to the delimiter and the delimiter itself.
   *
   * @throws {@link TlsError} `unexpected-end` where the delimiter never comes, `line-too-long`
   */
  async readUntil(delimiter: Uint8Array | string): Promise<Uint8Array> {
    const wanted = typeof delimiter === 'string' ? new TextEncoder().encode(delimiter) : delimiter
    const bytes = (await this.#until(wanted)) ?? new Uint8Array()
    if (
      bytes.length >= wanted.length &&
      Buffer.from(bytes).subarray(-wanted.length).equals(wanted)
    ) {
      return bytes
    }
    throw this.#ended(`the delimiter never came`, bytes)
  }

  /**
   * Exactly `length` bytes.
   *
   * @throws {@link TlsError} `unexpected-end` where fewer come
   */
  async readExactly(length: number): Promise<Uint8Array> {
    if (!Number.isSafeInteger(length) || length < 0) {
      throw new TlsError('option-invalid', 'readExactly: length must be a whole number')
    }
    const parts: Uint8Array[] = []
    let have = 0
    while (have < length) {
      const part = await this.#input.read(length - have, this.#wait)
      if (part === null) {
        throw this.#ended(`${have} of ${length} bytes came`, Buffer.concat(parts))
      }
      parts.push(part)
      have += part.length
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts)
  }

  /** @returns `null` at the end; the rest, without delimiter, where the end comes first */
  async #until(delimiter: Uint8Array): Promise<Uint8Array | null> {
    let have: Buffer = Buffer.alloc(0)
    for (;;) {
      let part: Uint8Array | null
      try {
        part = await this.#input.read(undefined, this.#wait)
      } catch (error) {
        // What came before the time-out is not lost.
        this.#input.unread(have)
        throw error
      }
      if (part === null) return have.length === 0 ? null : have
      const from = Math.max(0, have.length - delimiter.length + 1)
      have = have.length === 0 ? bufferOf(part) : Buffer.concat([have, part])
      const at = have.indexOf(delimiter, from)
      const end = at === -1 ? have.length : at + delimiter.length
      if (end > this.#maxLength) {
        this.#input.unread(have)
        throw new TlsError('line-too-long', `no end of line within ${this.#maxLength} bytes`, {
          hint: 'set `maxLength` of the reader, if that much is expected',
        })
      }
      if (at === -1) continue
      this.#input.unread(have.subarray(end))
      return have.subarray(0, end)
    }
  }

  #ended(what: string, bytes: Uint8Array): TlsError {
    this.#input.unread(bytes)
    return new TlsError('unexpected-end', `the other side ended: ${what}`)
  }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

const READER_OPTIONS: readonly string[] = ['timeoutMs', 'signal', 'maxLength']
const LINE_FEED = Uint8Array.of(10)
const CARRIAGE_RETURN = 13
