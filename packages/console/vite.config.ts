/**
 * How the page is built: static files with hashed names and nothing inline, so that it runs under a content
 * security policy of `default-src 'self'`.
 *
 * @module
 */
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

const web = fileURLToPath(new URL('web', import.meta.url))

// oxlint-disable-next-line import/no-default-export -- vite reads the default export and nothing else
export default defineConfig({
  root: web,
  // A folder given on the command line would otherwise stand above `root`.
  plugins: [{ name: 'countersign:root', config: () => ({ root: web }) }],
  base: '/console/',
  publicDir: false,
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: fileURLToPath(new URL('dist/static', import.meta.url)),
    emptyOutDir: true,
    // A data: address is not 'self'.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2022',
  },
})
