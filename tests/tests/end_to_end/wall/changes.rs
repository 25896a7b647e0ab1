//! Every hostile change of the catalogue, sent to the server while somebody else works on the same
//! entity; and what the server knows of these entities after it was killed.

#![allow(
    clippy::print_stdout,
    reason = "the figures of a run are for whoever asked for it"
)]

use std::collections::BTreeMap;

use automerge::transaction::Transactable;
use automerge::{ChangeHash, ROOT, ReadDoc};
use futures_util::future::join_all;
use indelible_engine::id::{EntityId, ProposalId};
use indelible_engine::limits::Limits;
use indelible_engine::protocol::ClientFrame;
use indelible_tests::hostile::{self, ADMITTED, CREATOR, Case, Step};
use serde_json::Value;

use super::super::fortress::{Answer, Fortress, answer, create, frame_bytes};
use super::super::harness::{Client, Replica};

/// An entity as it stood when the case was over.
struct Stand {
    entity: EntityId,
    value: Value,
    version: String,
    heads: Vec<ChangeHash>,
}

/// The connections of one batch of cases; bob and alice follow the entity of the case.
struct Arena<'a> {
    fortress: &'a Fortress,
    clients: BTreeMap<String, Client>,
    replicas: BTreeMap<&'static str, Replica>,
}

impl<'a> Arena<'a> {
    fn new(fortress: &'a Fortress) -> Self {
        Self {
            fortress,
            clients: BTreeMap::new(),
            replicas: BTreeMap::new(),
        }
    }

    async fn client(&mut self, id: &str) -> &mut Client {
        if !self.clients.contains_key(id) {
            let client = self.fortress.connect(id).await;
            self.clients.insert(id.to_owned(), client);
        }
        self.clients.get_mut(id).expect("just made")
    }

    async fn propose(&mut self, entity: &EntityId, step: &Step) -> Answer {
        let client = self.client(&step.by).await;
        let id = client.next_id();
        client
            .propose_parts(id, entity, step.bytes(), step.whole)
            .await;
        self.answer(&step.by, id).await
    }

    async fn answer(&mut self, who: &str, id: ProposalId) -> Answer {
        let client = self.clients.get_mut(who).expect("who asked is connected");
        answer(client, id, self.replicas.get_mut(who)).await
    }

    fn bob(&mut self) -> &mut Replica {
        self.replicas.get_mut("bob").expect("bob follows")
    }

    /// An edit by bob that must be admitted and reach alice.
    async fn bob_edits(&mut self, entity: &EntityId, text: &str) {
        let change = honest(self.bob(), text);
        let client = self.client("bob").await;
        let id = client.propose(entity, vec![change]).await;
        self.bob_is_heard(id).await;
    }

    /// Waits until bob's edit is acknowledged and alice has the same state.
    async fn bob_is_heard(&mut self, id: ProposalId) {
        let answered = self.answer("bob", id).await;
        assert_eq!(answered.code, ADMITTED, "bob's honest edit: {answered:?}");
        let seq = self.bob().seq;
        let alice = self.replicas.get_mut(CREATOR).expect("alice follows");
        let client = self.clients.get_mut(CREATOR).expect("alice is connected");
        while alice.seq < seq {
            client.receive(alice).await;
        }
        let heads = alice.doc.get_heads();
        assert_eq!(self.bob().doc.get_heads(), heads);
    }

    async fn run(&mut self, case: &Case) -> Result<Stand, String> {
        let entity = case.entity();
        self.replicas.clear();
        create(self.client(CREATOR).await, &entity).await;
        for who in ["bob", CREATOR] {
            let replica = self.client(who).await.replica(&entity.to_string()).await;
            self.replicas.insert(who, replica);
        }
        // Before: bob's edits are among these.
        for step in &case.setup {
            let answered = self.propose(&entity, step).await;
            assert_eq!(answered.code, ADMITTED, "the setup of {}", case.name);
        }
        if frame_bytes(&entity, &case.attack) > Limits::default().frame_bytes_max {
            let client = self.client(&case.attack.by).await;
            client.propose(&entity, case.attack.bytes()).await;
            let closed = client.closed().await;
            self.clients.remove(&case.attack.by);
            if closed != Some(1009) {
                return Err(format!("closed with {closed:?} instead of 1009"));
            }
        } else {
            let found = self.propose(&entity, &case.attack).await;
            let expected = &case.expect;
            let agrees = found.code == expected.code
                && found.violations == expected.violations
                && found.admitted == expected.admitted;
            if !agrees {
                return Err(format!("{found:?} instead of {expected:?}"));
            }
            self.attack_while_bob_edits(&entity, case).await?;
        }
        self.bob_edits(&entity, "after").await;
        self.finish(entity).await
    }

    /// The attack comes again while an edit by bob is on its way, in whichever order.
    async fn attack_while_bob_edits(
        &mut self,
        entity: &EntityId,
        case: &Case,
    ) -> Result<(), String> {
        // Bob may not have heard of what the attack brought in; he does so as he goes.
        let change = honest(self.bob(), "during");
        let by = case.attack.by.clone();
        let bob = self.client("bob").await;
        let his = bob.propose(entity, vec![change]).await;
        let attacker = self.client(&by).await;
        let (attack, parts) = (attacker.next_id(), case.attack.bytes());
        let whole = case.attack.whole;
        attacker.propose_parts(attack, entity, parts, whole).await;
        self.bob_is_heard(his).await;
        let again = self.answer(&by, attack).await;
        let turned = match case.expect.code.as_str() {
            // With bob's edit the highest counter rose: what was too high may be so no more.
            "start-op" => true,
            // What it depends on was refused a moment ago, and the server says so.
            "unknown-deps" => ["unknown-deps", "depends-on-refused"].contains(&again.code.as_str()),
            code => again.code == code,
        };
        if !turned {
            return Err(format!("during bob's edit: {again:?}"));
        }
        Ok(())
    }

    async fn finish(&mut self, entity: EntityId) -> Result<Stand, String> {
        let heads = self.bob().doc.get_heads();
        for who in ["bob", CREATOR] {
            let entity = entity.clone();
            let client = self.client(who).await;
            client.send(&ClientFrame::Close { entity }).await;
        }
        let got = self
            .fortress
            .http("bob")
            .get(&format!("/api/{entity}"))
            .await;
        if got.status != 200 || got.body["tagline"] != "after" {
            return Err(format!("bob's edit is not in the value: {got:?}"));
        }
        Ok(Stand {
            version: got.header("etag").to_owned(),
            value: got.body,
            entity,
            heads,
        })
    }
}

/// An edit as any replica makes it.
fn honest(replica: &mut Replica, text: &str) -> Vec<u8> {
    let (body, items) = (replica.object("body"), replica.object("items"));
    replica.change(|doc| {
        let (_, item) = doc.get(&items, "i2").unwrap().unwrap();
        doc.splice_text(&body, 0, 1, "o").unwrap();
        doc.put(ROOT, "tagline", text).unwrap();
        doc.put(&item, "name", "bob's").unwrap();
    })
}

async fn run_all(fortress: &Fortress, cases: &[Case]) -> (Vec<Stand>, Vec<String>) {
    let mut arena = Arena::new(fortress);
    let (mut stands, mut failures) = (Vec::new(), Vec::new());
    for case in cases {
        match arena.run(case).await {
            Ok(stand) => stands.push(stand),
            Err(failure) => {
                failures.push(format!("{}: {failure}", case.name));
                arena = Arena::new(fortress);
            }
        }
    }
    (stands, failures)
}

#[tokio::test]
async fn every_change_is_answered_as_it_should_be_and_harms_nobody() {
    let mut fortress = Fortress::start();
    let cases = hostile::cases();
    assert!(
        cases.len() >= 300,
        "the catalogue shrank to {}",
        cases.len()
    );
    let batches: Vec<&[Case]> = cases.chunks(cases.len().div_ceil(8)).collect();
    let done = join_all(batches.iter().map(|cases| run_all(&fortress, cases))).await;
    let (mut stands, mut failures) = (Vec::new(), Vec::new());
    for (some, failed) in done {
        stands.extend(some);
        failures.extend(failed);
    }
    let count = failures.len();
    assert!(
        failures.is_empty(),
        "{count} cases:\n{}",
        failures.join("\n")
    );
    fortress.assert_memory_is_bounded();
    let held = fortress.memory_kib();

    fortress.restart();
    let (http, mut bob) = (fortress.http("bob"), fortress.connect("bob").await);
    for stand in &stands {
        let name = stand.entity.to_string();
        let got = http.get(&format!("/api/{name}")).await;
        assert_eq!(got.body, stand.value, "{name}");
        assert_eq!(got.header("etag"), stand.version, "{name}");
        let mut replica = bob.replica(&name).await;
        assert_eq!(replica.doc.get_heads(), stand.heads, "{name}");
    }
    fortress.assert_memory_is_bounded();
    println!(
        "{} hostile changes through the socket; the server held {held} KiB at most, {} KiB after \
         the restart",
        stands.len(),
        fortress.memory_kib()
    );
}
