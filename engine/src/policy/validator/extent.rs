//! Measures how far a value breaks a schema, so that a fault that was there before can be told from
//! a worse one. Used from the fifth version of the rules on.

use std::collections::HashMap;

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind as Kind;
use serde_json::Value;

use super::{Validator, faults, ids};
use crate::pointer::Pointer;
use crate::policy::{Fault, Mark};
use crate::value::canonical;

/// What an error says that was found in `value`.
pub(super) fn fault(validator: &Validator, value: &Value, error: &ValidationError<'_>) -> Fault {
    measured(
        validator,
        value,
        error,
        faults::fault(&validator.schema, error),
    )
}

fn measured(
    validator: &Validator,
    value: &Value,
    error: &ValidationError<'_>,
    mut fault: Fault,
) -> Fault {
    let extent = Extent {
        validator,
        value,
        error,
    };
    extent.measure(&mut fault.mark);
    fault
}

struct Extent<'a> {
    validator: &'a Validator,
    value: &'a Value,
    error: &'a ValidationError<'a>,
}

impl Extent<'_> {
    fn measure(&self, mark: &mut Mark) {
        match self.error.kind() {
            Kind::Required { property } => {
                let asking = faults::asking(&self.validator.schema, self.error, property);
                mark.names.extend(asking.into_iter().flatten().cloned());
            }
            Kind::UnevaluatedItems { unexpected } => mark.beyond = Some(unexpected.len() as f64),
            Kind::Contains => mark.beyond = self.contained(),
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
                let measured =
                    |error| measured(self.validator, self.value, error, faults::unsaid(error));
                let alternatives = context.iter();
                let alternatives = alternatives.map(|errors| errors.iter().map(measured).collect());
                mark.alternatives = Some(alternatives.collect());
            }
            Kind::OneOfMultipleValid { context } => {
                let fitting = context.iter().enumerate();
                let fitting = fitting.filter(|(_, errors)| errors.is_empty());
                mark.names
                    .extend(fitting.map(|(place, _)| place.to_string()));
            }
            Kind::Not { schema } => self.excluded(schema, mark),
            Kind::FalseSchema => self.refused(mark),
            _ if mark.keyword == "uniqueItems" => mark.names = self.doubles(),
            _ => {}
        }
    }

    fn place(&self) -> Pointer {
        faults::pointer(self.error.schema_path())
    }

    /// How many items are of the kind that `contains` counts, in the direction that is wrong. (Of
    /// `contains` alone there are none.)
    fn contained(&self) -> Option<f64> {
        let place = self.place();
        let sign = match place.last()? {
            "maxContains" => 1.0,
            "minContains" => -1.0,
            _ => return None,
        };
        Some(sign * self.count(&place.parent()?.child("contains"))?)
    }

    fn count(&self, kind: &Pointer) -> Option<f64> {
        let items = self.error.instance().as_array()?.iter();
        let kind = self.validator.part(kind)?;
        Some(items.filter(|item| kind.is_valid(item)).count() as f64)
    }

    /// What `not` excludes can occur in several ways, or several times.
    fn excluded(&self, schema: &Value, mark: &mut Mark) {
        let place = self.place();
        let schemas = schema.get("anyOf").and_then(Value::as_array);
        let alternatives = place.child("anyOf");
        let fitting = (0..schemas.map_or(0, Vec::len)).map(|at| at.to_string());
        mark.names.extend(fitting.filter(|at| {
            let part = self.validator.part(&alternatives.child(at.as_str()));
            part.is_some_and(|part| part.is_valid(self.error.instance()))
        }));
        if schema.get("contains").is_some() {
            mark.beyond = self.count(&place.child("contains"));
        }
    }

    /// Where an object may have no properties: those that it has. (The error has the first of them
    /// for its value.)
    fn refused(&self, mark: &mut Mark) {
        let at = faults::pointer(self.error.evaluation_path());
        let object = self.value.pointer(self.error.instance_path().as_str());
        if let Some("additionalProperties" | "propertyNames") = at.last()
            && let Some(Value::Object(entries)) = object
        {
            mark.names.extend(entries.keys().cloned());
        }
    }

    /// The values that are in a list more than once, by the number of times.
    fn doubles(&self) -> Vec<String> {
        let ids = self.place().parent().map(|beside| beside.child(ids::IDS));
        let ids = ids.and_then(|at| self.validator.schema.pointer(&at.to_string()));
        let bare = ids::without(self.error.instance(), None, ids.unwrap_or(&Value::Null));
        let mut times: HashMap<String, usize> = HashMap::new();
        let mut doubles = Vec::new();
        for text in bare.as_array().into_iter().flatten().map(canonical) {
            let times = times.entry(text.clone()).or_default();
            *times += 1;
            if *times > 1 {
                doubles.push(format!("{times} {text}"));
            }
        }
        doubles
    }
}
