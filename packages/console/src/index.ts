/**
 * Where the built page lies; whoever serves it mounts the folder at `/console/`.
 *
 * @module
 */
import { fileURLToPath } from 'node:url'

/**
 * Absolute path of the folder that holds `index.html` and its assets. It is made by the build, and the same
 * whether this module runs from `src` or from `dist`.
 */
export const consoleFolder: string = fileURLToPath(new URL('../dist/static', import.meta.url))
