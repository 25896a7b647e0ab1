// The npm package `indelible`.

export { loadCore } from './load.js'
