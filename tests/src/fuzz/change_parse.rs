//! Bytes → the check before Automerge, against Automerge.
//!
//! Whatever we take, Automerge takes, with as many operations and the same bytes when it writes them
//! again; and nothing panics. Each input is tried as it is and as the body of a well-formed chunk,
//! so that the search is not stopped by the checksum.

use automerge::Change;
use indelible_engine::change::parse;
use indelible_engine::limits::Limits;

use super::vectors;
use crate::chunk;
use crate::hostile;

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vectors("changes.json");
    for case in hostile::cases() {
        seeds.extend(case.setup.iter().flat_map(hostile::Step::bytes));
        seeds.extend(case.attack.bytes());
    }
    seeds.sort();
    seeds.dedup();
    seeds
}

pub(crate) fn run(data: &[u8]) {
    check(data);
    check(&chunk::change(chunk::content(data).unwrap_or(data)));
}

fn check(bytes: &[u8]) {
    let limits = Limits::default();
    let Ok(parsed) = parse(bytes, &limits) else {
        return;
    };
    let change = Change::try_from(bytes).expect("what we take, Automerge takes");
    assert_eq!(change.len(), parsed.ops().len());
    assert_eq!(change.raw_bytes(), bytes);
    assert_eq!(Change::from(change.decode()).raw_bytes(), bytes);
    assert!(parsed.ops().len() <= limits.operations_per_change_max);
    assert!(parsed.deps().len() <= limits.dependencies_max);
    let actor = parsed.actor().to_bytes().len();
    assert!((limits.actor_bytes_min..=limits.actor_bytes_max).contains(&actor));
    assert_eq!(
        parsed.max_op(),
        parsed.start_op() + parsed.ops().len() as u64 - 1
    );
}
