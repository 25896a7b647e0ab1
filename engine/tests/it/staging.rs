//! Guards against proposals of one commit being decided otherwise than each by itself on a copy of
//! what the ones before it leave.

use indelible_engine::admission::{Origin, Proposal, Staging, Verdict};
use indelible_engine::change::Limits;
use indelible_engine::claims::{self, Claim};
use indelible_engine::entity::Entity;
use indelible_engine::id::{EntityId, ProposalId};
use serde_json::{Value, json};

use crate::fixture::{Client, NOW, compiled, created, policy};
use crate::history::{Dice, run_all};
use crate::runs::edits;

/// The kind with titles that only one may have.
fn kind() -> Entity {
    let mut schema = policy().schema().clone();
    schema["properties"]["title"]["x-indelible"] = json!({ "unique": true });
    let value = json!({
        "title": "One", "body": "hello world", "tags": ["a", "b"],
        "items": [ { "id": "i1", "name": "first" }, { "id": "i2", "name": "second" } ],
    });
    created(&compiled(&schema), &value)
}

/// Another entity has every title that ends in 7.
fn holder(claim: &Claim) -> Result<Option<EntityId>, String> {
    let title = claim.value.as_str().ok_or("a title is a string")?;
    let other = title.ends_with('7').then_some("thing/two");
    Ok(other.map(|id| id.parse().expect("a name")))
}

fn propose(client: &Client, changes: Vec<Vec<u8>>, origin: Origin) -> Proposal {
    Proposal::new(
        ProposalId([7; 16]),
        client.principal.clone(),
        origin,
        changes,
    )
}

/// Everything that a verdict says.
fn told(verdict: &Verdict) -> (String, Option<Value>) {
    let Verdict {
        admitted,
        refused,
        known,
        dropped,
    } = verdict;
    let parts = admitted
        .as_ref()
        .map(|it| (it.draft(), it.effects(), it.conflicts()));
    let value = admitted.as_ref().map(|it| it.entity().presented());
    (
        format!("{parts:?} {refused:?} {known:?} {dropped:?}"),
        value,
    )
}

#[test]
fn proposals_of_one_commit_are_decided_as_each_by_itself() {
    let (mut admitted, mut refused, mut partly) = (0, 0, 0);
    run_all(|seed| {
        let mut dice = Dice(seed);
        let mut alone = kind();
        let mut staging = Staging::new(alone.clone());
        let names = ["bob", "carol", "dave"];
        let mut clients: Vec<Client> = (1..)
            .zip(names)
            .map(|(n, name)| Client::on(&alone, name, n))
            .collect();
        let mut before: Vec<Vec<u8>> = Vec::new();
        for round in 0..3 + dice.below(5) {
            let who = dice.below(clients.len());
            if dice.below(3) == 0 {
                let actor = u8::try_from(10 + round).expect("few rounds");
                clients[who] = Client::on(&alone, names[who], actor);
            }
            let changes = match dice.below(8) {
                0 => before.clone(),
                _ => edits(&mut clients[who], &mut dice),
            };
            before.clone_from(&changes);
            let origin = [Origin::Client, Origin::Client, Origin::Edit][dice.below(3)];
            let proposal = propose(&clients[who], changes, origin);
            let at = (NOW, &Limits::default());
            let expected = claims::admit(&alone, &proposal, at, &mut holder).unwrap();
            let verdict = claims::admit_next(&mut staging, &proposal, at, &mut holder).unwrap();
            assert_eq!(told(&verdict), told(&expected));
            admitted += usize::from(verdict.admitted.is_some());
            refused += usize::from(verdict.refused.is_some());
            partly += usize::from(verdict.admitted.is_some() && verdict.refused.is_some());
            // Now and then an admitted proposal is not taken over.
            if dice.below(5) > 0
                && let (Some(one), Some(other)) = (verdict.admitted, expected.admitted)
            {
                staging.advance(one);
                alone = other.into_parts().0;
            }
            assert_eq!(staging.entity().presented(), alone.presented());
            assert_eq!(staging.entity().heads(), alone.heads());
        }
    });
    assert!(
        admitted > 0 && refused > 0 && partly > 0,
        "{admitted} {refused} {partly}"
    );
}
