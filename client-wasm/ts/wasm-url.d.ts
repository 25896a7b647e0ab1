/** What bundlers make of an import of a compiled core: the URL that they serve it at. */
declare const url: string
export default url
