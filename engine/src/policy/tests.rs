//! Guards against a policy that does not say what its schema says, and against constraints on the
//! whole that disagree with the rules of single values.

#[cfg(feature = "whole-entity")]
mod whole;

use serde_json::json;

use super::*;
use crate::principal::Principal;
use crate::schema::{self, SchemaSource};

fn text_of(file: &str) -> String {
    let path = format!("{}/../{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn demo(kind: &str) -> Policy {
    compile(&text_of(&format!("server/demo/{kind}.json")))
}

const FILE: &str = "test.json";

fn source(text: &str) -> SchemaSource {
    SchemaSource::new(FILE, text)
}

fn compile(text: &str) -> Policy {
    match schema::compile(FILE, text) {
        Ok(policy) => policy,
        Err(errors) => {
            let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
            panic!("{}", errors.join("\n"))
        }
    }
}

fn at(policy: &Policy, pointer: &str) -> NodeId {
    let found = policy.find(&pointer.parse().unwrap());
    found.unwrap_or_else(|| panic!("nothing at {pointer}"))
}

fn node<'a>(policy: &'a Policy, pointer: &str) -> &'a Node {
    policy.node(at(policy, pointer))
}

fn faults(faults: &[Fault]) -> Vec<String> {
    let line = |fault: &Fault| format!("{} {}: {}", fault.pointer, fault.keyword, fault.message);
    faults.iter().map(line).collect()
}

fn roles(names: &[&str]) -> Roles {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// A schema that has a bit of everything.
fn zoo() -> Policy {
    let schema = json!({
        "type": "object",
        "x-indelible": {
            "kind": "animal", "read": ["visitor"], "edit": ["keeper"], "restore": ["vet"],
        },
        "required": ["name"],
        "properties": {
            "name": { "type": "string", "minLength": 1 },
            "notes": { "type": "string", "maxLength": 10, "x-indelible": { "merge": "text" } },
            "fed": { "type": "integer", "maximum": 5, "x-indelible": { "merge": "counter" } },
            "born": { "type": "string", "format": "date", "x-indelible": { "write": "create" } },
            "health": {
                "type": "object",
                "x-indelible": { "write": ["vet"], "read": ["vet", "keeper"] },
                "properties": {
                    "weight": { "type": "number", "default": 1 },
                    "chip": { "type": "string", "readOnly": true },
                    "blood": { "type": "object", "x-indelible": { "merge": "atomic" },
                        "properties": { "type": { "pattern": "^\\w$" } }, "required": ["type"] },
                    "visits": {
                        "type": "array",
                        "minItems": 1,
                        "x-indelible": { "key": "visit" },
                        "items": {
                            "type": "object",
                            "required": ["visit", "by"],
                            "x-indelible": { "delete": ["admin"] },
                            "properties": {
                                "by": { "type": "string" },
                                "bill": { "type": "integer", "readOnly": true, "default": 0 },
                                "tags": { "type": "array", "items": { "type": "string" } },
                            },
                        },
                    },
                },
            },
            "toys": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "properties": {
                        "colour": { "type": "string" },
                        "review": { "type": "string", "x-indelible": { "merge": "text" } },
                    },
                },
            },
            "seen": { "type": "integer", "x-indelible": { "tally": true } },
            "updatedBy": { "type": "string", "x-indelible": { "stamp": "updated-by" } },
        },
    });
    compile(&schema.to_string())
}

#[test]
fn the_demo_protects_what_it_promises() {
    use WriteRule::{Create, System};
    for (kind, pointer, write) in [
        ("settings", "/createdAt", System),
        ("settings", "/updatedBy", System),
        ("team", "/createdAt", System),
        ("team", "/joinDate", Create),
        ("team", "/employeeId", Create),
        ("services", "/createdAt", System),
        ("services", "/views", System),
        ("services", "/rating", System),
        ("solutions", "/createdAt", System),
        ("solutions", "/views", System),
        ("solutions", "/category", Create),
    ] {
        assert_eq!(node(&demo(kind), pointer).write, write, "{kind}{pointer}");
    }
    assert!(node(&demo("team"), "/employeeId").unique);
    assert!(matches!(node(&demo("team"), "/bio").shape, Shape::Text(_)));
    assert!(matches!(
        node(&demo("services"), "/views").shape,
        Shape::Tally
    ));
    assert!(demo("settings").is_singleton());
}

/// The content of a folder's kinds is good, as it stands and as a whole.
fn check_folder(folder: &str, kinds: &[&str]) {
    for kind in kinds {
        let policy = compile(&text_of(&format!("{folder}/{kind}.json")));
        let content = text_of(&format!("{folder}/content/{kind}.json"));
        let content: Value = serde_json::from_str(&content).unwrap();
        let entities: Vec<&Value> = if policy.is_singleton() {
            vec![&content]
        } else {
            content.as_object().unwrap().values().collect()
        };
        assert!(!entities.is_empty());
        for entity in entities {
            assert_eq!(
                faults(&policy.check_content(Some(entity))),
                [""; 0],
                "{kind}"
            );
            #[cfg(feature = "whole-entity")]
            assert_eq!(faults(&policy.check_whole(entity)), [""; 0], "{kind}");
        }
    }
}

#[test]
fn the_content_of_the_demo_and_the_museum_is_good() {
    check_folder(
        "server/demo",
        &["settings", "team", "services", "solutions"],
    );
    check_folder("tests/data/museum", &["house", "room", "loan"]);
}

#[test]
fn rules_are_inherited() {
    let policy = zoo();
    for (pointer, write) in [
        ("/name", WriteRule::Edit),
        ("/born", WriteRule::Create),
        ("/health/weight", WriteRule::Roles(roles(&["vet"]))),
        ("/health/chip", WriteRule::System),
        ("/health/visits/1/tags/0", WriteRule::Roles(roles(&["vet"]))),
        ("/seen", WriteRule::System),
    ] {
        assert_eq!(node(&policy, pointer).write, write, "{pointer}");
    }
    let hidden = ReadRule::Roles(roles(&["keeper", "vet"]));
    assert_eq!(node(&policy, "/health/visits/1/by").read, hidden);
    assert_eq!(node(&policy, "/name").read, ReadRule::Kind);
}

#[test]
fn permissions_imply_others() {
    use Permission::{Create, Edit, History, Read, Restore};
    let policy = zoo();
    let who = |role: &str| Principal::new("p", [role]);
    for (role, may, may_not) in [
        ("visitor", vec![Read], vec![Create, Edit, History, Restore]),
        ("keeper", vec![Read, Edit], vec![Create, History, Restore]),
        ("vet", vec![Read, Edit, History, Restore], vec![Create]),
        ("public", vec![], vec![Read, Create, Edit, History, Restore]),
    ] {
        assert!(may.iter().all(|p| policy.may(&who(role), *p)), "{role}");
        assert!(
            !may_not.iter().any(|p| policy.may(&who(role), *p)),
            "{role}"
        );
    }
    assert!(policy.may(&Principal::system(), Create));
    assert!(!policy.readable(&who("visitor")), "health is hidden");
    assert!(policy.readable(&who("keeper")) && !policy.replica_mode(&who("keeper")));
    assert!(policy.replica_mode(&who("vet")) && policy.replica_mode(&Principal::system()));
    let team = demo("team");
    assert!(team.readable(&Principal::anonymous()) && !team.replica_mode(&Principal::anonymous()));
    assert!(team.replica_mode(&who("editor")) && !team.may(&who("viewer"), Edit));
}

#[test]
fn places_are_found() {
    let policy = zoo();
    assert_eq!(
        policy.find(&"/health/visits/v/visit".parse().unwrap()),
        None
    );
    assert_eq!(policy.find(&"/nothing".parse().unwrap()), None);
    assert_eq!(policy.find(&"/name/x".parse().unwrap()), None);
    assert_eq!(
        policy.presented_key(at(&policy, "/health/visits/v")),
        Some("visit")
    );
    let maker = |pointer| policy.maker(at(&policy, pointer));
    assert_eq!(maker("/health/weight"), policy.root());
    assert_eq!(maker("/health/visits"), policy.root());
    assert_eq!(
        maker("/health/visits/v/tags/0"),
        at(&policy, "/health/visits/v")
    );
    assert_eq!(maker("/toys/ball/colour"), at(&policy, "/toys/ball"));
    let names = |pointer: &str| -> Vec<_> {
        let below = policy.declared_below(at(&policy, pointer)).into_iter();
        below
            .filter(|id| policy.node(*id).shape.is_container())
            .map(|id| policy.node(id).schema_pointer.last().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(""), ["health", "visits", "notes", "toys"]);
    assert_eq!(names("/toys/ball"), ["review"]);
    assert_eq!(names("/health/visits/v"), ["tags"]);
}

#[test]
fn deleting_takes_the_right_to_write_all_of_it() {
    let policy = zoo();
    let may = |pointer, role| {
        let somebody = Principal::new("p", [role, "keeper"]);
        policy.rights(&somebody).may_delete(at(&policy, pointer))
    };
    assert!(!may("/health/visits/v", "vet"), "the bill is the system's");
    assert!(may("/health/visits/v", "admin"));
    assert!(may("/toys/ball", "keeper"));
    assert!(!may("/health", "keeper"));
    assert!(
        policy
            .rights(&Principal::system())
            .may_delete(policy.root())
    );
    let solutions = demo("solutions");
    let item = at(&solutions, "/results/r");
    let editor = Principal::new("p", ["editor"]);
    assert!(solutions.rights(&editor).may_delete(item));
}

#[test]
fn the_hash_is_that_of_the_record() {
    let a = r#"{"type": "object", "x-indelible": {"kind": "a", "read": ["r"]},
        "properties": {"x": {"type": "number", "minimum": 10.0}}}"#;
    let b = r#"{"properties":{"x":{"minimum":1e1,"type":"number"}},"type":"object","x-indelible":{"kind":"a","read":["r"]}}"#;
    let canonical = r#"{"properties":{"x":{"minimum":10,"type":"number"}},"type":"object","x-indelible":{"kind":"a","read":["r"]}}"#;
    for text in [a, b] {
        let first = schema::compile_under(Rules::V1, FILE, text).unwrap();
        assert_eq!(first.record(), canonical);
        assert_eq!(first.hash(), Hash::of(&[canonical.as_bytes()]));
        let latest = compile(text);
        let record = format!(r#"{{"rules":5,"schema":{canonical}}}"#);
        assert_eq!(latest.record(), record);
        assert_eq!(latest.hash(), Hash::of(&[record.as_bytes()]));
        for policy in [first, latest] {
            let again = schema::compile_record(FILE, &policy.record()).unwrap();
            assert_eq!(
                (again.hash(), again.rules()),
                (policy.hash(), policy.rules())
            );
            assert_eq!(crate::value::canonical(again.schema()), canonical);
        }
    }
    // A record is no schema, and one under rules that are not known yet says so.
    let future = r#"{"rules":6,"schema":{"type":"object","x-indelible":{"kind":"a"}}}"#;
    assert!(schema::compile(FILE, future).is_err());
    let errors = schema::compile_record(FILE, future).unwrap_err();
    assert!(errors[0].reason.contains("version 6"), "{errors:?}");
}

#[test]
fn kinds_are_described_once() {
    let one = source(r#"{"type": "object", "x-indelible": {"kind": "a"}}"#);
    let other = SchemaSource::new("other.json", one.text.as_str());
    let errors = schema::compile_all(&[one.clone(), other]).unwrap_err();
    assert_eq!(
        errors[0].to_string(),
        "other.json at /x-indelible/kind: test.json describes the kind a already"
    );
    let policies = schema::compile_all(&[one]).unwrap();
    assert_eq!(policies.iter().count(), 1);
    assert!(policies.get(&"a".parse().unwrap()).is_some());
}

#[test]
fn content_is_checked_before_it_is_used() {
    let policy = zoo();
    let content = json!({
        "notes": "far too long a note",
        "born": "yesterday",
        "health": { "visits": [{ "visit": "a" }, { "visit": "a", "by": "x" }, { "visit": "ä", "by": "y" }, "z"] },
        "toys": { "$ball": {}, "ball": { "size": 3 } },
        "seen": 3,
        "updatedBy": "me",
        "wings": 2,
    });
    assert_eq!(
        faults(&policy.check_content(Some(&content))),
        [
            "/born format: must be a date such as 2026-02-03",
            "/health/visits/a/by required: is required",
            "/health/visits/a/visit type: appears in the list twice",
            "/health/visits/ä/visit type: item id \"ä\" must be 1 to 64 ASCII letters, digits, '_' or '-'",
            "/health/visits/3 type: must be an object",
            "/name required: is required",
            "/notes maxLength: must have at most 10 characters",
            "/seen x-indelible: is a tally, which lives beside the entity",
            "/toys/$ball propertyNames: map key \"$ball\" must be 1 to 128 bytes without control characters and must not begin with '$'",
            "/toys/ball/size additionalProperties: is not declared",
            "/updatedBy x-indelible: is a stamp, which only the server makes",
            "/wings additionalProperties: is not declared",
        ]
    );
    assert_eq!(
        faults(&policy.check_content(None)),
        ["/name required: is required"]
    );
    let settings = demo("settings");
    assert_eq!(
        faults(&settings.check_content(Some(&json!({ "createdAt": "2020-01-01T00:00:00Z" })))),
        [
            "/companyName required: is required",
            "/contact/email required: is required"
        ]
    );
}

#[test]
fn what_a_store_begins_with_is_checked() {
    let sources =
        ["settings", "team"].map(|kind| source(&text_of(&format!("server/demo/{kind}.json"))));
    let policies = schema::compile_all(&sources).unwrap();
    let kind = |name: &str| -> Kind { name.parse().unwrap() };
    let jane = json!({ "name": "Jane", "employeeId": "E-1", "joinDate": "2020-01-01" });
    let content = BTreeMap::from([
        (kind("team"), json!({ "jane": jane, "-": {}, "joe": 3 })),
        (kind("wing"), json!({})),
    ]);
    let found = policies.check_content(&content);
    let found: Vec<_> = found
        .iter()
        .map(|(kind, fault)| format!("{kind} {fault}"))
        .collect();
    assert_eq!(
        found,
        [
            "settings /companyName: is required",
            "settings /contact/email: is required",
            "team /-: entity id \"-\" must be 1 to 64 characters: an ASCII letter or digit, then \
             ASCII letters, digits, '.', '_', '~' or '-'",
            "team /jane/employeeId: must match the pattern ^E-[0-9]{4}$",
            "team /joe: must be an object",
            "wing : no schema describes this kind",
        ]
    );
}

#[test]
fn every_constraint_is_told_with_when_it_is_decided() {
    let told: Vec<String> = zoo()
        .demands()
        .iter()
        .map(|d| format!("{} {} {:?}", d.pointer, d.keyword, d.decided))
        .collect();
    for expected in [
        " required Merged",
        "/name type Operation",
        "/name minLength Operation",
        "/notes type Operation",
        "/notes maxLength Merged",
        "/fed maximum Merged",
        "/born format Operation",
        "/health/blood required Merged",
        "/health/blood properties Merged",
        "/health/visits minItems Merged",
        "/health/visits/* required Merged",
    ] {
        assert!(
            told.iter().any(|line| line == expected),
            "{expected}: {told:#?}"
        );
    }
    let mut once = told.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), told.len(), "{told:#?}");
}

#[test]
fn counts_are_told_as_whole_numbers() {
    let text = r#"{ "type": "object", "x-indelible": { "kind": "k" }, "properties": {
        "l": { "type": "array", "items": { "type": "string" }, "maxItems": 10.0 },
        "n": { "type": "integer", "maximum": 1e1 } } }"#;
    let demands = compile(text).demands();
    for keyword in ["maxItems", "maximum"] {
        let demand = demands.iter().find(|demand| demand.keyword == keyword);
        assert_eq!(demand.unwrap().value.to_string(), "10", "{keyword}");
    }
}

#[test]
fn a_name_that_is_not_declared_is_told_with_what_was_meant() {
    let settings = demo("settings");
    for (way, name, meant) in [
        ("", "compnayName", Some("/companyName")),
        ("", "company_name", Some("/companyName")),
        ("/contact", "phnoe", Some("/contact/phone")),
        ("/contact/address", "ctiy", Some("/contact/address/city")),
        ("/socialLinks/x", "netwrok", Some("/socialLinks/x/network")),
        // What lies elsewhere is named where nothing beside it is near.
        ("", "phone", Some("/contact/phone")),
        ("", "ctiy", Some("/contact/address/city")),
        ("/contact", "companyname", Some("/companyName")),
        ("/socialLinks/x", "emial", Some("/contact/email")),
        ("", "zzzzzz", None),
        ("", &"companyName".repeat(100), None),
    ] {
        let way: Pointer = way.parse().unwrap();
        let found = settings.meant(settings.find(&way).unwrap(), &way, name);
        let found = found.map(|at| at.to_string());
        assert_eq!(found.as_deref(), meant, "{name} in {way}");
    }
}
