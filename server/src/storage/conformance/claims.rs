//! Guards against a value that two entities have, a claim that outlives its holder's need, and a
//! refused request that leaves something behind.

use indelible_engine::id::{EntityId, Hash, Kind};

use super::super::{Append, ClaimStep, Rejected, Store, Taken};
use super::{Open, append, entities_head, entity, entries, opened};

const A: Hash = Hash([0xaa; 32]);
const B: Hash = Hash([0xbb; 32]);

fn claiming(request: Append, steps: &[ClaimStep]) -> Append {
    Append {
        claims: steps.to_vec(),
        ..request
    }
}

fn taken(claim: Hash, holder: &str) -> Result<usize, Rejected> {
    let holder = entity(holder);
    Err(Taken { claim, holder }.into())
}

fn holders(store: &dyn Store, kind: &str) -> Vec<(Hash, EntityId)> {
    let kind: Kind = kind.parse().unwrap();
    let all = store.claims(&kind).unwrap();
    for (claim, holder) in &all {
        let mut others = all.iter().filter(|(other, _)| other == claim);
        let other = others.find(|(_, other)| other != holder);
        let told = store.other_holder(holder, *claim).unwrap();
        assert_eq!(told.as_ref(), other.map(|(_, other)| other));
    }
    all
}

pub(crate) fn of_two_claims_the_first_one_gets_it(open: Open) {
    use ClaimStep::{Gain, Release};
    let (dir, store) = opened(open);
    let requests = [
        claiming(entries("team/jane", 0..2), &[Gain(A)]),
        claiming(entries("team/joe", 0..2), &[Gain(B), Gain(A)]),
        claiming(entries("team/kim", 0..2), &[Gain(B)]),
        // Another kind has values of its own.
        claiming(entries("service/web", 0..2), &[Gain(A)]),
    ];
    let outcomes = append(&*store, &requests);
    assert_eq!(outcomes, [Ok(2), taken(A, "team/jane"), Ok(2), Ok(2)]);
    assert_eq!(
        entities_head(&*store, "team/joe"),
        None,
        "nothing is left of it"
    );
    let (jane, kim) = (entity("team/jane"), entity("team/kim"));
    assert_eq!(
        holders(&*store, "team"),
        [(A, jane.clone()), (B, kim.clone())]
    );
    assert_eq!(holders(&*store, "service"), [(A, entity("service/web"))]);

    // What an entity gives up is free at once, and it does not give up what another holds.
    let requests = [
        claiming(entries("team/joe", 0..2), &[Release(A), Release(B)]),
        claiming(entries("team/jane", 2..3), &[Gain(A), Release(A)]),
        claiming(entries("team/joe", 2..3), &[Gain(A)]),
        claiming(entries("team/jane", 3..4), &[Gain(A)]),
        claiming(entries("team/kim", 2..3), &[Release(B), Gain(B)]),
    ];
    let outcomes = append(&*store, &requests);
    let expected = [Ok(2), Ok(1), Ok(1), taken(A, "team/joe"), Ok(1)];
    assert_eq!(outcomes, expected);
    let joe = entity("team/joe");
    assert_eq!(
        holders(&*store, "team"),
        [(A, joe.clone()), (B, kim.clone())]
    );
    // A request that does not fit its log takes nothing.
    let late = claiming(entries("team/kim", 2..3), &[Release(B)]);
    assert!(append(&*store, &[late])[0].is_err());
    drop(store);
    assert_eq!(holders(&*open(dir.path()), "team"), [(A, joe), (B, kim)]);
}

pub(crate) fn what_two_have_is_free_when_both_have_given_it_up(open: Open) {
    use ClaimStep::{Gain, Release};
    let (_dir, store) = opened(open);
    let team: Kind = "team".parse().unwrap();
    let (jane, joe) = (entity("team/jane"), entity("team/joe"));
    let both = [(A, jane.clone()), (A, joe.clone())];
    store.replace_claims(&team, B, &both).unwrap();
    assert_eq!(holders(&*store, "team"), both);
    let requests = [
        claiming(entries("team/kim", 0..2), &[Gain(A)]),
        claiming(entries("team/jane", 0..2), &[Release(A)]),
        claiming(entries("team/kim", 0..2), &[Gain(A)]),
        claiming(entries("team/jane", 2..3), &[Gain(A)]),
        claiming(entries("team/joe", 0..2), &[Release(A)]),
        claiming(entries("team/kim", 0..2), &[Gain(A)]),
    ];
    let by_joe = taken(A, "team/joe");
    let outcomes = append(&*store, &requests);
    let first = taken(A, "team/jane");
    assert_eq!(
        outcomes,
        [first, Ok(2), by_joe.clone(), by_joe, Ok(2), Ok(2)]
    );
    assert_eq!(holders(&*store, "team"), [(A, entity("team/kim"))]);
}

pub(crate) fn claims_are_replaced_by_kind(open: Open) {
    let (dir, store) = opened(open);
    let (team, service): (Kind, Kind) = ("team".parse().unwrap(), "service".parse().unwrap());
    assert_eq!(store.claims_signature(&team).unwrap(), None);
    let requests = [
        claiming(entries("team/jane", 0..2), &[ClaimStep::Gain(A)]),
        claiming(entries("service/web", 0..2), &[ClaimStep::Gain(A)]),
    ];
    assert_eq!(append(&*store, &requests), [Ok(2), Ok(2)]);
    let joe = entity("team/joe");
    store.replace_claims(&team, A, &[(B, joe.clone())]).unwrap();
    drop(store);
    let store = open(dir.path());
    assert_eq!(holders(&*store, "team"), [(B, joe)]);
    assert_eq!(holders(&*store, "service"), [(A, entity("service/web"))]);
    assert_eq!(store.claims_signature(&team).unwrap(), Some(A));
    assert_eq!(store.claims_signature(&service).unwrap(), None);
    // Only those who can read values can make them again.
    store.rebuild_caches().unwrap();
    assert_eq!(holders(&*store, "team"), []);
    assert_eq!(store.claims_signature(&team).unwrap(), None);
}
