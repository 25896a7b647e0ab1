import { IndelibleClient } from 'indelible'
import values from 'indelible/wasm/values.wasm'
import whole from 'indelible/wasm/whole.wasm'
import { show } from '../page.js'

show(options => new IndelibleClient({ ...options, wasm: { values, whole } }))
