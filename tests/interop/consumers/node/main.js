/** A program in plain Node: prints a value of the server at `argv[2]`, by the token `argv[3]`. */

import { IndelibleClient } from 'indelible'
import { WebSocket } from 'ws'

const [url = '', token] = process.argv.slice(2)
const client = new IndelibleClient({ url, WebSocket, ...(token !== undefined && { token }) })
const settings = client.entity('settings')
const { companyName } = await settings.ready()
process.stdout.write(`${settings.mode} ${companyName}\n`)
client.close()
