/**
 * All fields of an object, each in the control that its schema asks for; protected ones apart,
 * with a lock and the reason.
 *
 * Walks the schema; no kind is known by name.
 */

import { useLanguage } from '../text/language.tsx'
import type { FieldProps, FieldsProps } from './field.ts'
import { Icon } from './icons.tsx'
import { KeyedList } from './KeyedList.tsx'
import { LockedField } from './LockedField.tsx'
import { explained, labelOf } from './labels.ts'
import { MapFields } from './MapFields.tsx'
import { pointer } from './path.ts'
import { ScalarField } from './ScalarField.tsx'
import { ScalarList } from './ScalarList.tsx'
import { type Control, controlOf, lockOf, resolve, writeOf } from './schema.ts'
import { useSource } from './source.ts'

export function Fields({ schema, path, write }: FieldsProps) {
  const { kind, root, viewer, isNew } = useSource()
  const { t, language } = useLanguage()
  const all = Object.entries(schema.properties ?? {}).map(([name, raw]) => {
    const property = resolve(raw, root)
    const rule = writeOf(property, write)
    const propertyPath = [...path, name]
    return {
      name,
      lock: lockOf(property, rule, viewer, isNew),
      field: {
        schema: explained(propertyPath, property, language),
        path: propertyPath,
        write: rule,
        required: schema.required?.includes(name) ?? false,
        label: labelOf(kind, propertyPath, property, language),
        once: isNew && rule === 'create',
      },
      control: controlOf(property),
    }
  })
  const open = all.filter(one => one.lock === null)
  const locked = all.filter(one => one.lock !== null)
  const simple = open.filter(one => !isSection(one.control))
  const sections = open.filter(one => isSection(one.control))
  return (
    <>
      {simple.length > 0 && (
        <div className="fields">
          {simple.map(({ name, field }) => (
            <Field key={name} {...field} />
          ))}
        </div>
      )}
      {sections.map(({ name, field }) => (
        <Field key={name} {...field} />
      ))}
      {locked.length > 0 && !isNew && (
        <section className="locked" aria-label={t('field.protected')}>
          <p className="locked-title">
            <Icon name="lock" /> {t('field.protected')}
          </p>
          <dl>
            {locked.map(({ name, field, lock }) =>
              lock ? <LockedField key={name} {...field} lock={lock} /> : null,
            )}
          </dl>
        </section>
      )}
    </>
  )
}

function isSection(control: Control): boolean {
  return control === 'object' || control === 'keyed' || control === 'map'
}

function Field(props: FieldProps) {
  const control = controlOf(props.schema)
  switch (control) {
    case 'object':
      return (
        <fieldset className="section" data-pointer={pointer(props.path)}>
          <legend>{props.label}</legend>
          {props.schema.description && <p className="help">{props.schema.description}</p>}
          <Fields schema={props.schema} path={props.path} write={props.write} />
        </fieldset>
      )
    case 'keyed':
      return <KeyedList {...props} Fields={Fields} />
    case 'map':
      return <MapFields {...props} Fields={Fields} />
    case 'list':
      return <ScalarList {...props} />
    default:
      return <ScalarField {...props} control={control} />
  }
}
