/** What the control of a field is given. */

import type { ReactNode } from 'react'
import type { Path } from './path.ts'
import type { Schema, Write } from './schema.ts'

/** A field, whatever its control. */
export interface FieldProps {
  readonly schema: Schema
  readonly path: Path
  /** The write rule inherited from above. */
  readonly write: Write
  readonly required: boolean
  readonly label: string
  /** Can be written now, while its object is made, and never again. */
  readonly once?: boolean
}

/** An object whose fields are shown. */
export type FieldsProps = Pick<FieldProps, 'schema' | 'path' | 'write'>

/**
 * A field whose values are objects. It is handed what shows their fields: a schema is recursive, and
 * the modules that show it need not be.
 */
export interface ContainerProps extends FieldProps {
  readonly Fields: (props: FieldsProps) => ReactNode
}
