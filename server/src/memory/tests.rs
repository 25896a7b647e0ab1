//! Guards against caches that outlast what they are worth, slow readers who fill the memory, and
//! readers who are ended for what others hold.

use super::*;

const LONG: usize = COUNTED_BYTES_MIN;

fn bytes(parts: usize) -> Bytes {
    Bytes::from(vec![7; parts * LONG])
}

/// Something that can be made again.
struct Thing {
    kept: Mutex<Option<(Hold, Bytes)>>,
    used: Used,
    stays: AtomicBool,
}

impl Thing {
    fn kept_in(memory: &Memory, parts: usize) -> Arc<Self> {
        let bytes = bytes(parts);
        let hold = memory.keep(&bytes).unwrap();
        let thing: Arc<Self> = Arc::new(Self {
            kept: Mutex::new(Some((hold, bytes))),
            used: Used::default(),
            stays: AtomicBool::new(false),
        });
        let noted: Weak<Self> = Arc::downgrade(&thing);
        memory.cache(noted);
        thing
    }

    fn is_there(&self) -> bool {
        self.kept.lock().unwrap().is_some()
    }
}

impl Cache for Thing {
    fn was_used(&self) -> bool {
        self.used.take()
    }

    fn shed(&self) -> usize {
        if self.stays.load(Ordering::Relaxed) {
            let kept = self.kept.lock().unwrap();
            return kept.as_ref().map_or(0, |(_, bytes)| bytes.len());
        }
        drop(self.kept.lock().unwrap().take());
        0
    }
}

#[test]
fn what_many_hold_counts_once() {
    let memory = Memory::new(usize::MAX);
    let (ada, bob) = (memory.consumer("ada"), memory.consumer("bob"));
    let long = bytes(3);
    let kept = memory.keep(&long);
    let holds = [ada.hold(&long), ada.hold(&long), bob.hold(&long)];
    assert!(ada.hold(&long.slice(..LONG - 1)).is_none(), "it is short");
    assert_eq!(memory.bytes(), 3 * LONG);
    drop(kept);
    let sent = bob.held(long.clone());
    drop((holds, long));
    assert_eq!(memory.bytes(), 3 * LONG);
    let rest = sent.slice(1..);
    drop(sent);
    assert_eq!(memory.bytes(), 3 * LONG, "a part holds all");
    ada.short(100);
    assert_eq!(memory.bytes(), 3 * LONG + 100);
    drop((rest, ada));
    assert_eq!(memory.bytes(), 0);
    assert!(memory.lock().held.is_empty());
}

#[test]
fn caches_go_before_connections_and_those_in_use_last() {
    let memory = Memory::new(8 * LONG);
    let things: Vec<_> = (0..4).map(|_| Thing::kept_in(&memory, 2)).collect();
    things[0].used.note();
    let ada = memory.consumer("ada");
    let _waits = ada.hold(&bytes(3)).unwrap();
    memory.shed();
    let there: Vec<bool> = things.iter().map(|thing| thing.is_there()).collect();
    assert_eq!(there, [true, false, false, true]);
    assert!(memory.bytes() <= memory.aim());
    assert!(!ada.ended().is_cancelled());
}

/// Lets go of what is ended, until nothing has to be.
fn ended(memory: &Memory, mut all: Vec<(&'static str, Consumer, Vec<Hold>)>) -> Vec<&'static str> {
    let mut ended = Vec::new();
    while memory.bytes() > memory.0.bytes_max && memory.end_largest(0) {
        all.retain(|(name, consumer, _)| {
            let is_ended = consumer.ended().is_cancelled();
            ended.extend(is_ended.then_some(*name));
            !is_ended
        });
    }
    ended
}

#[test]
fn connections_of_those_with_the_most_end() {
    let memory = Memory::new(16 * LONG);
    let holding = |name: &'static str, owner: &'static str, parts: &[usize]| {
        let consumer = memory.consumer(owner);
        // Each thing stays where it is for as long as it is held.
        let holds = parts.iter().map(|parts| {
            let bytes = bytes(*parts);
            let hold = consumer.hold(&bytes).unwrap();
            std::mem::forget(bytes);
            hold
        });
        let holds = holds.collect();
        (name, consumer, holds)
    };
    // One has many connections that each hold little, another one that holds more than each.
    let mut all: Vec<_> = ["m1", "m2", "m3", "m4", "m5"]
        .map(|name| holding(name, "mallory", &[2]))
        .into();
    all.push(holding("b", "bob", &[1, 2]));
    all.push(holding("c", "carol", &[4]));
    assert_eq!(memory.bytes(), 17 * LONG);
    assert_eq!(
        ended(&memory, all),
        ["m1", "m2"],
        "those that have been taking longest"
    );
}

#[test]
fn what_is_shared_is_counted_in_parts() {
    let memory = Memory::new(16 * LONG);
    let shared = bytes(10);
    let mut all = Vec::new();
    for name in ["s1", "s2", "s3", "s4", "s5"] {
        let consumer = memory.consumer(name);
        let hold = consumer.hold(&shared).unwrap();
        all.push((name, consumer, vec![hold]));
    }
    let alone = memory.consumer("alone");
    let own = bytes(7);
    let hold = alone.hold(&own).unwrap();
    all.push(("alone", alone, vec![hold]));
    assert_eq!(ended(&memory, all), ["alone"]);
}

#[tokio::test]
async fn what_is_too_much_goes_and_who_waits_goes_on() {
    let memory = Memory::new(8 * LONG);
    let relieving = tokio::spawn(memory.clone().relieve_always());
    assert_eq!(memory.settled().await, Ok(()));
    let thing = Thing::kept_in(&memory, 5);
    let ada = memory.consumer("ada");
    let long = bytes(6);
    let hold = ada.hold(&long);
    assert_eq!(memory.settled().await, Ok(()));
    assert!(!thing.is_there());
    assert!(!ada.ended().is_cancelled());
    let another = bytes(7);
    let more = ada.hold(&another);
    let ended = tokio::spawn({
        let ended = ada.ended().clone();
        async move { ended.cancelled().await }
    });
    ended.await.unwrap();
    drop((hold, more));
    assert_eq!(memory.settled().await, Ok(()));
    relieving.abort();
}

#[tokio::test(start_paused = true)]
async fn who_takes_a_kind_has_a_while_for_it_and_others_are_not_ended_meanwhile() {
    let memory = Memory::new(8 * LONG);
    let (watcher, reader) = (memory.consumer("watcher"), memory.consumer("reader"));
    let (kind, own) = (bytes(20), bytes(2));
    watcher.takes_kind();
    let holds = (watcher.hold(&kind), reader.hold(&own));
    assert!(!memory.end_largest(0));
    let others = bytes(10);
    let more = reader.hold(&others);
    assert!(memory.end_largest(0), "what it holds itself is too much");
    assert!(reader.ended().is_cancelled() && !watcher.ended().is_cancelled());
    drop((more, reader));
    tokio::time::advance(KIND_PATIENCE).await;
    watcher.takes_kind();
    assert!(memory.end_largest(0), "to ask again brings no more time");
    assert!(watcher.ended().is_cancelled());
    drop(holds);
}

#[tokio::test]
async fn what_has_to_stay_goes_later_and_nobody_is_ended_for_it() {
    let memory = Memory::new(8 * LONG);
    let thing = Thing::kept_in(&memory, 12);
    thing.stays.store(true, Ordering::Relaxed);
    let ada = memory.consumer("ada");
    let long = bytes(2);
    let hold = ada.hold(&long);
    let staying = memory.shed();
    assert_eq!(staying, 12 * LONG);
    assert!(!memory.end_largest(staying) && !ada.ended().is_cancelled());
    thing.stays.store(false, Ordering::Relaxed);
    let relieving = tokio::spawn(memory.clone().relieve_always());
    memory.look_again();
    assert_eq!(memory.settled().await, Ok(()));
    assert!(!thing.is_there());
    relieving.abort();
    drop(hold);
}

#[tokio::test]
async fn nobody_is_ended_for_what_others_are_about_to_let_go() {
    let memory = Memory::new(16 * LONG);
    let (mallory, carol) = (memory.consumer("mallory"), memory.consumer("carol"));
    let (much, little) = (bytes(14), bytes(3));
    let holds = (mallory.hold(&much), carol.hold(&little));
    assert!(memory.end_largest(0));
    assert!(mallory.ended().is_cancelled());
    assert!(memory.end_largest(0), "it is waited for");
    assert!(!carol.ended().is_cancelled());
    drop((holds, mallory));
    assert!(!memory.end_largest(0));
}
