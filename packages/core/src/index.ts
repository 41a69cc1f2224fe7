export {
  type AtomicWriteOptions,
  ensurePrivateFolder,
  makeFolder,
  writeFileAtomic,
} from './atomic-file.ts'
export { readBoundedFile } from './bounded-file.ts'
export { type Clock, systemClock, wholeSeconds } from './clock.ts'
export { parseDuration } from './duration.ts'
export {
  CoreError,
  type CoreErrorCode,
  CountersignError,
  type ErrorDetail,
  errorCode,
  errorMessage,
} from './errors.ts'
export {
  type Forwarded,
  plainAddress,
  readForwarded,
  readForwardedForList,
} from './forwarded.ts'
export { readBoundedBody } from './bounded-body.ts'
export { latest } from './latest.ts'
export { checkOptions, closest } from './options.ts'
export { type Problem, problemDocument, problemResponse } from './problem.ts'
export { type WaitOptions, waitFor } from './wait.ts'
