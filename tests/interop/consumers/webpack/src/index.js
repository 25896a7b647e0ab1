import { IndelibleClient } from 'indelible'
import { show } from '../../page.js'

show(options => new IndelibleClient(options))
