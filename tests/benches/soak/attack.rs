//! Ten who send the dearest requests in turn, on a thread of their own: what they need to make them
//! must not make people late.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::join_all;

use super::dearest::attacker::Attacker;
use super::dearest::ground::Said;
use super::town::Town;

const ATTACKERS: usize = 10;
/// How much less of a processor their thread gets than others, as for `nice`: attackers would be
/// elsewhere.
const NICE: i32 = 10;

/// The result of one request.
struct Turn {
    name: &'static str,
    took: Duration,
    /// Whether it was taken, or refused; nothing where its answers were none of these.
    is_taken: Option<bool>,
    said: Vec<Said>,
}

/// The results of the requests of one shape.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub(crate) taken: usize,
    pub(crate) refused: usize,
    /// In all, with what was made for them.
    pub(crate) took: Duration,
}

pub(crate) type Attacks = BTreeMap<&'static str, Sent>;

pub(crate) struct Attack {
    thread: JoinHandle<()>,
    turns: Receiver<Turn>,
    is_over: Arc<AtomicBool>,
}

impl Attack {
    pub(crate) fn start(town: &Rc<Town>) -> Self {
        let (done, turns) = channel();
        let is_over = Arc::new(AtomicBool::new(false));
        let (authority, data) = (town.authority.clone(), town.data().to_owned());
        let over = Arc::clone(&is_over);
        let thread = thread::spawn(move || attack(&authority, &data, &done, &over));
        Self {
            thread,
            turns,
            is_over,
        }
    }

    /// Takes what they have done so far; what comes later does not count. The thread ends once their
    /// last requests have ended.
    pub(crate) fn stop(self, town: &Town, attacks: &mut Attacks) -> JoinHandle<()> {
        self.is_over.store(true, Ordering::Relaxed);
        let mut record = town.record.borrow_mut();
        for turn in self.turns.try_iter() {
            let sent = attacks.entry(turn.name).or_default();
            sent.took += turn.took;
            match turn.is_taken {
                Some(true) => sent.taken += 1,
                Some(false) => sent.refused += 1,
                None => town.fault(format!("an attacker could not go on at: {}", turn.name)),
            }
            record.said.extend(turn.said);
        }
        self.thread
    }
}

fn attack(authority: &str, data: &Path, done: &Sender<Turn>, is_over: &AtomicBool) {
    // Linux takes this for the thread alone.
    let _as_others = rustix::process::setpriority_process(None, NICE);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let all = (0..ATTACKERS).map(|number| {
        let attacker = Attacker::new(authority, data, (number, ATTACKERS));
        one_after_the_other(attacker, done, is_over)
    });
    runtime.block_on(join_all(all));
}

async fn one_after_the_other(mut attacker: Attacker, done: &Sender<Turn>, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        let (name, began) = (attacker.name(), Instant::now());
        let is_taken = AssertUnwindSafe(attacker.attack()).catch_unwind().await;
        let turn = Turn {
            name,
            took: began.elapsed(),
            is_taken: is_taken.ok(),
            said: attacker.take_said(),
        };
        if done.send(turn).is_err() {
            return;
        }
    }
}
