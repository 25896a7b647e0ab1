//! One of many who write, are cut off, and come back.

use std::sync::Arc;

use automerge::ReadDoc;
use automerge::transaction::Transactable;
use indelible_engine::id::{EntityId, Epoch, Hash, ProposalId, Seq};
use indelible_engine::protocol::{ClientFrame, Mode, ServerFrame};
use serde_bytes::ByteBuf;

use super::super::harness::{Client, Replica, fresh_actor};
use super::{Pulse, entity};

/// A change on its way: sent, or about to be sent again.
struct Flying {
    id: ProposalId,
    change: Vec<u8>,
    /// Where the log has it although nobody said so.
    logged: Option<Seq>,
}

/// An acknowledgement: the proposal, its one change and its place.
pub(crate) struct Acknowledged {
    pub(crate) id: ProposalId,
    pub(crate) change: Hash,
    pub(crate) seq: Seq,
}

/// Writes to one entity, one proposal after the other.
pub(crate) struct Writer {
    pub(crate) number: usize,
    pub(crate) name: String,
    pub(crate) entity: EntityId,
    pub(crate) acknowledged: Vec<Acknowledged>,
    /// What its edits put into the list, one each.
    pub(crate) tokens: Vec<String>,
    pub(crate) refused: usize,
    pub(crate) answers_regained: usize,
    pub(crate) sent_again: usize,
    proposals: u64,
    replica: Option<Replica>,
    flying: Option<Flying>,
}

/// A connection that was welcomed; nothing when the server is gone by now.
pub(crate) async fn connect(authority: &str, token: String) -> Option<Client> {
    let mut client = Client::raw(authority, None).await.ok()?;
    let hello = ClientFrame::Hello {
        protocol: 1,
        token: Some(indelible_engine::protocol::Token(token)),
        client: "tests".into(),
        texts: None,
    };
    if !client.try_send(&hello).await {
        return None;
    }
    match client.try_next().await? {
        ServerFrame::Welcome { .. } => Some(client),
        other => panic!("no welcome: {other:?}"),
    }
}

impl Writer {
    pub(crate) fn new(number: usize) -> Self {
        Self {
            number,
            name: format!("writer-{number}"),
            entity: entity(number % super::ENTITIES),
            acknowledged: Vec::new(),
            tokens: Vec::new(),
            refused: 0,
            answers_regained: 0,
            sent_again: 0,
            proposals: 0,
            replica: None,
            flying: None,
        }
    }

    /// Writes until the server is gone; each acknowledgement is a beat.
    pub(crate) async fn write(
        mut self,
        authority: String,
        token: String,
        pulse: Arc<Pulse>,
    ) -> Self {
        if let Some(mut client) = connect(&authority, token).await {
            let _gone = self.session(&mut client, Some(&pulse)).await;
        }
        self
    }

    /// Asks again for every answer that is missing.
    pub(crate) async fn settle(&mut self, authority: &str, token: String) {
        let client = connect(authority, token).await;
        let mut client = client.expect("nobody kills this server");
        let settled = self.session(&mut client, None).await;
        settled.expect("nobody kills this server");
        assert!(self.flying.is_none());
    }

    /// Notes where the log has the change that is on its way, if it does.
    pub(crate) fn look_up(&mut self, place: impl Fn(&EntityId, Hash) -> Option<Seq>) {
        if let Some(flying) = &mut self.flying {
            flying.logged = place(&self.entity, hash_of(&flying.change));
        }
    }

    /// `goes_on` with new edits, each of which beats when it is acknowledged.
    async fn session(&mut self, client: &mut Client, goes_on: Option<&Pulse>) -> Option<()> {
        self.catch_up(client).await?;
        if let Some(flying) = &self.flying {
            let (id, logged) = (flying.id, flying.logged);
            let seq = self.send_and_wait(client).await?;
            match logged {
                Some(place) => {
                    assert_eq!(seq, place, "{id:?} is answered from the log");
                    self.answers_regained += 1;
                }
                None => self.sent_again += 1,
            }
        }
        if let Some(pulse) = goes_on {
            loop {
                if self.proposals % 4 == 2 {
                    self.try_what_is_forbidden(client).await?;
                }
                self.edit();
                self.send_and_wait(client).await?;
                pulse.beat(1);
            }
        }
        Some(())
    }

    /// Opens the entity from where it stood.
    async fn catch_up(&mut self, client: &mut Client) -> Option<()> {
        let stands = self.replica.as_ref();
        let open = ClientFrame::Open {
            entity: self.entity.clone(),
            mode: Mode::Replica,
            epoch: stands.map(|_| Epoch::FIRST),
            seq: stands.map(|replica| replica.seq),
            hash: stands.map(|replica| replica.hash),
            version: None,
        };
        if !client.try_send(&open).await {
            return None;
        }
        loop {
            match client.try_next().await? {
                ServerFrame::Schema { .. } => {}
                ServerFrame::Snapshot {
                    document,
                    seq,
                    hash,
                    ..
                } => {
                    assert!(
                        self.replica.is_none(),
                        "what was relayed is still in the log"
                    );
                    let entity = self.entity.clone();
                    self.replica = Some(Replica::new(entity, &document, seq, hash));
                    return Some(());
                }
                frame @ ServerFrame::Entries { .. } => {
                    self.replica.as_mut().expect("it resumed").apply(&frame);
                    return Some(());
                }
                other => panic!("{}: {other:?}", self.name),
            }
        }
    }

    /// Makes the next edit and puts it on its way.
    fn edit(&mut self) {
        let replica = self.replica.as_mut().expect("it was opened");
        let token = format!("{}-{}", self.name, self.tokens.len());
        let change = replica.change(|doc| {
            let (_, tokens) = doc.get(automerge::ROOT, "tokens").unwrap().unwrap();
            doc.insert(&tokens, 0, token.as_str()).unwrap();
            doc.increment(automerge::ROOT, "edits", 1).unwrap();
        });
        self.tokens.push(token);
        let (id, logged) = (self.next_id(), None);
        self.flying = Some(Flying { id, change, logged });
    }

    fn next_id(&mut self) -> ProposalId {
        self.proposals += 1;
        let number = (self.number as u128) << 64 | u128::from(self.proposals);
        ProposalId(number.to_be_bytes())
    }

    async fn propose(&self, client: &mut Client, id: ProposalId, change: &[u8]) -> bool {
        let propose = ClientFrame::Propose {
            id,
            entity: self.entity.clone(),
            epoch: Epoch::FIRST,
            changes: vec![ByteBuf::from(change.to_vec())],
            whole: false,
        };
        client.try_send(&propose).await
    }

    /// Sends what is on its way and waits for the answer.
    async fn send_and_wait(&mut self, client: &mut Client) -> Option<Seq> {
        let flying = self.flying.as_ref().expect("something is on its way");
        let (id, change) = (flying.id, flying.change.clone());
        if !self.propose(client, id, &change).await {
            return None;
        }
        loop {
            match client.try_next().await? {
                ServerFrame::Admitted { id: of, seq, .. } if of == id => {
                    self.flying = None;
                    let change = hash_of(&change);
                    self.acknowledged.push(Acknowledged { id, change, seq });
                    return Some(seq);
                }
                frame @ ServerFrame::Entries { .. } => self.take(&frame),
                other => panic!("{}: {other:?}", self.name),
            }
        }
    }

    /// Proposes, from a copy that is thrown away, what the policy refuses.
    async fn try_what_is_forbidden(&mut self, client: &mut Client) -> Option<()> {
        let id = self.next_id();
        let replica = self.replica.as_mut().expect("it was opened");
        let mut copy = replica.doc.fork().with_actor(fresh_actor());
        copy.put(automerge::ROOT, "owner", "me").unwrap();
        copy.commit();
        let change = copy.get_last_local_change().unwrap().raw_bytes().to_vec();
        if !self.propose(client, id, &change).await {
            return None;
        }
        loop {
            match client.try_next().await? {
                ServerFrame::Refused { id: of, code, .. } if of == id => {
                    assert_eq!(code, "policy");
                    self.refused += 1;
                    return Some(());
                }
                frame @ ServerFrame::Entries { .. } => self.take(&frame),
                other => panic!("{}: {other:?}", self.name),
            }
        }
    }

    fn take(&mut self, frame: &ServerFrame) {
        self.replica.as_mut().expect("it was opened").apply(frame);
    }
}

fn hash_of(change: &[u8]) -> Hash {
    let change = automerge::Change::try_from(change).unwrap();
    change.hash().into()
}
