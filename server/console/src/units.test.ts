// All unit tests of the pages, as the one file that is built for Node.

import './admin/lost.test.ts'
import './admin/session.test.ts'
import './form/violations.test.ts'
import './text/kept.test.ts'
