// As much CBOR (RFC 8949) as the frames of the protocol need, written apart from the real codec.

export type Cbor =
  | number
  | string
  | boolean
  | null
  | Uint8Array
  | readonly Cbor[]
  | { readonly [key: string]: Cbor }

const UNSIGNED = 0
const BYTES = 2
const TEXT = 3
const ARRAY = 4
const MAP = 5

export function encode(value: Cbor): Uint8Array<ArrayBuffer> {
  return new Uint8Array(parts(value))
}

function parts(value: Cbor): number[] {
  if (value === null) return [0xf6]
  if (typeof value === 'boolean') return [value ? 0xf5 : 0xf4]
  if (typeof value === 'number') return head(UNSIGNED, value)
  if (typeof value === 'string') {
    const bytes = new TextEncoder().encode(value)
    return [...head(TEXT, bytes.length), ...bytes]
  }
  if (value instanceof Uint8Array) return [...head(BYTES, value.length), ...value]
  if (Array.isArray(value)) return [...head(ARRAY, value.length), ...value.flatMap(parts)]
  const fields = Object.entries(value as { [key: string]: Cbor })
  return [...head(MAP, fields.length), ...fields.flatMap(([k, v]) => [...parts(k), ...parts(v)])]
}

function head(major: number, n: number): number[] {
  const type = major << 5
  if (n < 24) return [type | n]
  if (n < 0x100) return [type | 24, n]
  if (n < 0x10000) return [type | 25, n >> 8, n & 0xff]
  const bytes = new Uint8Array(9)
  bytes[0] = type | 27
  new DataView(bytes.buffer).setBigUint64(1, BigInt(n))
  return [...bytes]
}

export function decode(bytes: Uint8Array): Cbor {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0

  function length(info: number): number {
    if (info < 24) return info
    const size = 1 << (info - 24)
    const start = at
    at += size
    if (size === 1) return view.getUint8(start)
    if (size === 2) return view.getUint16(start)
    if (size === 4) return view.getUint32(start)
    return Number(view.getBigUint64(start))
  }

  function item(): Cbor {
    const first = view.getUint8(at++)
    const major = first >> 5
    if (major === 7) return first === 0xf6 || first === 0xf7 ? null : first === 0xf5
    const n = length(first & 31)
    if (major === UNSIGNED) return n
    if (major === BYTES || major === TEXT) {
      const slice = bytes.slice(at, at + n)
      at += n
      return major === BYTES ? slice : new TextDecoder().decode(slice)
    }
    if (major === ARRAY) return Array.from({ length: n }, item)
    if (major !== MAP) throw new Error(`no frame holds major type ${major}`)
    return Object.fromEntries(Array.from({ length: n }, () => [item() as string, item()]))
  }

  return item()
}
