/**
 * A file that lines are appended to while others may rotate it, and which may be on a disk that fills up: whatever happens to it,
 * nobody waits and nothing is thrown.
 *
 * @module
 */
import { closeSync, open, openSync, close as closeFile, write, writeSync } from 'node:fs'
import { errorMessage } from '@countersign/core'
import { ServerError } from '../errors.ts'

/**
 * Lines go in one after the other; they reach the file together. Each is written as bytes when it comes: a long text put together from
 * many parts, and turned into bytes in the end, takes four times as long.
 */
export class LogFile {
  readonly #path: string | undefined
  readonly #onFault: (error: unknown) => void
  #fd: number
  /** What lines are written into, and how much of it is. */
  #piece: Buffer | undefined
  #length = 0
  /** Pieces that are full, the oldest first. */
  readonly #full: Buffer[] = []
  #waiting = 0
  /** A piece that was written and can be filled again. */
  #spare: Buffer | undefined
  #isWriting = false
  /** A line was cut in its middle: the next begins a new one. */
  #isTorn = false
  #isFaulty = false
  #isClosed = false
  #timer: NodeJS.Timeout | undefined
  readonly #whenWritten: (() => void)[] = []
  /** Lines that were not written, because the disk or the reader did not take them. */
  dropped = 0

  /**
   * Opens a file for appending, readable by its owner and group.
   *
   * @param target - a path, or 1 for standard output
   * @param onFault - told when lines begin to be lost, and when they were
   * @throws {@link ServerError} `log-unwritable`
   */
  constructor(target: string | 1, onFault: (error: unknown) => void) {
    this.#onFault = onFault
    this.#path = typeof target === 'string' ? target : undefined
    try {
      this.#fd = typeof target === 'string' ? openSync(target, 'a', MODE) : target
    } catch (error) {
      throw unwritable(String(target), error)
    }
  }

  /** Appends a line, its end included. */
  write(line: string): void {
    if (this.#isClosed || this.#waiting > MOST_WAITING) {
      this.dropped++
      return
    }
    // No character takes more than three bytes for each of its units.
    const most = line.length * 3
    if (this.#length + most > PIECE) this.#turn()
    if (most > PIECE) {
      this.#keep(Buffer.from(line))
    } else {
      this.#piece ??= this.#empty()
      this.#length += this.#piece.write(line, this.#length)
    }
    this.#timer ??= setTimeout(this.#onTime, WAIT_MS)
    if (this.#full.length > 0) this.#flush()
  }

  /** Opens the path again: what was there has been moved away. Where that fails, the old file goes on. */
  async reopen(): Promise<void> {
    const path = this.#path
    if (path === undefined || this.#isClosed) return
    const { promise, resolve } = Promise.withResolvers<number | undefined>()
    open(path, 'a', MODE, (error, fd) => {
      if (error !== null) this.#onFault(unwritable(path, error))
      resolve(error === null ? fd : undefined)
    })
    const next = await promise
    if (next === undefined) return
    // What came before belongs into the file before.
    this.#flushNow()
    const before = this.#fd
    this.#fd = next
    // A write that is under way has the old number still.
    const done = (): void => closeFile(before, () => {})
    if (this.#isWriting) this.#whenWritten.push(done)
    else done()
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    clearTimeout(this.#timer)
    if (this.#isWriting) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#whenWritten.push(resolve)
      // A pipe that nobody reads would hold the end of the program up.
      const patience = setTimeout(resolve, PATIENCE_MS)
      await promise
      clearTimeout(patience)
    }
    this.#flushNow()
    if (this.#path !== undefined && !this.#isWriting) closeSync(this.#fd)
  }

  readonly #onTime = (): void => {
    this.#timer = undefined
    this.#turn()
    this.#flush()
  }

  /** Writes the pieces that are full, one after the other. What is begun stays until it is full or its time has come. */
  #flush(): void {
    if (this.#isWriting) return
    const piece = this.#full.shift()
    if (piece === undefined) return
    this.#waiting -= piece.length
    this.#isWriting = true
    this.#writeOn(this.#fd, this.#mended(piece))
  }

  #writeOn(fd: number, bytes: Buffer): void {
    write(fd, bytes, 0, bytes.length, null, (error, written) => {
      if (error === null) {
        this.#isFaulty = false
        if (written < bytes.length) {
          this.#isTorn = true
          this.#writeOn(fd, bytes.subarray(written))
          return
        }
        this.#isTorn = false
      } else if ('code' in error && error.code === 'EAGAIN') {
        setTimeout(() => this.#writeOn(fd, bytes), WAIT_MS)
        return
      } else {
        this.#lose(bytes, error)
      }
      if (bytes.buffer.byteLength === PIECE) this.#spare = Buffer.from(bytes.buffer)
      this.#isWriting = false
      for (const told of this.#whenWritten.splice(0)) told()
      if (!this.#isClosed) this.#flush()
    })
  }

  /** At the end and at rotation, where nothing may be left over. */
  #flushNow(): void {
    if (this.#isWriting) return
    this.#turn()
    if (this.#full.length === 0) return
    let bytes = this.#mended(Buffer.concat(this.#full.splice(0)))
    this.#waiting = 0
    try {
      while (bytes.length > 0) bytes = bytes.subarray(writeSync(this.#fd, bytes))
      this.#isTorn = false
    } catch (error) {
      this.#lose(bytes, error)
    }
  }

  /** Takes what is begun as full. */
  #turn(): void {
    if (this.#piece !== undefined && this.#length > 0) {
      this.#keep(this.#piece.subarray(0, this.#length))
      this.#piece = undefined
      this.#length = 0
    }
  }

  #keep(piece: Buffer): void {
    this.#full.push(piece)
    this.#waiting += piece.length
  }

  #empty(): Buffer {
    const piece = this.#spare ?? Buffer.allocUnsafeSlow(PIECE)
    this.#spare = undefined
    return piece
  }

  #mended(bytes: Buffer): Buffer {
    return this.#isTorn ? Buffer.concat([LINE_END, bytes]) : bytes
  }

  #lose(bytes: Buffer, error: unknown): void {
    for (const byte of bytes) if (byte === NEW_LINE) this.dropped++
    // Once, until it has worked again: a full disk would fill the other log as well.
    if (!this.#isFaulty) this.#onFault(unwritable(this.#path ?? 'standard output', error))
    this.#isFaulty = true
  }
}

function unwritable(path: string, cause: unknown): ServerError {
  return new ServerError('log-unwritable', `the access log ${path}: ${errorMessage(cause)}`, {
    path,
    cause,
    hint: 'give a file that this user may write, in a folder that exists',
  })
}

/** Who called from where is nobody else's business. */
const MODE = 0o640
/** Bytes that are written at once. */
const PIECE = 128 * 1024
const MOST_WAITING = 8 * 1024 * 1024
const WAIT_MS = 100
const PATIENCE_MS = 2000
const NEW_LINE = 10
const LINE_END = Buffer.from('\n')
