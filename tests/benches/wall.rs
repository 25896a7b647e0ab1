//! What attacks cost the server, beside honest changes of the same number and size, and what a flood
//! of them costs others, at the real server process. `cargo xtask bench wall`.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints figures, and fails where something is not as it should be"
)]

mod cases;
#[path = "../tests/end_to_end/crowd.rs"]
mod crowd;
#[expect(dead_code, reason = "others use it beside other load")]
mod dearest;
#[expect(dead_code, reason = "times are not all that is measured here")]
mod figures;
#[path = "../tests/end_to_end/fortress.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod fortress;
#[path = "../tests/end_to_end/harness.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod harness;
#[path = "../tests/end_to_end/process.rs"]
mod process;

use std::time::{Duration, Instant};

use automerge::ROOT;
use automerge::transaction::Transactable;
use indelible_engine::id::EntityId;
use indelible_engine::limits::Limits;
use indelible_tests::hostile::{self, ADMITTED, CREATOR, Case};

use crowd::{Crowd, dear, many, stand_by};
use figures::cpu_time;
use fortress::{Fortress, answer, create, frame_bytes};
use harness::{Client, Replica, fresh_actor};

/// How often each attack is made, as far as the bytes below allow it.
const TIMES_MAX: usize = 20;
const TIMES_MIN: usize = 3;
/// About how many bytes each attack sends in all.
const BYTES: usize = 2 << 20;
/// How many of the dearest attacks are printed.
const SHOWN: usize = 25;
/// What an honest change that puts one character takes.
const LEAST_CHANGE_BYTES: usize = 120;
/// Edits whose acknowledgement is timed.
const EDITS: usize = 300;
/// What somebody asks who stands by.
const TURNS: usize = 300;
/// How long that may take, where each waits for long.
const STAND_BY_MAX: Duration = Duration::from_secs(40);
/// Elements of the body of a dear request.
const DEAR_ELEMENTS: usize = 200_000;
/// What bystanders may have to wait for, where that is more than the factor below allows.
const BYSTANDER_AIM: Duration = Duration::from_millis(50);
/// What the server may hold meanwhile.
const MEMORY_MIB_AIM: u64 = 512;
/// How much longer than in quiet times they may wait.
const BYSTANDER_FACTOR: u32 = 5;
/// Attacks of one client that are on their way at a time.
const WINDOW: usize = 20;

/// The result of one attack.
struct Figure {
    name: String,
    changes: usize,
    bytes: usize,
    hostile: Duration,
    honest: Duration,
}

impl Figure {
    fn ratio(&self) -> f64 {
        self.hostile.as_secs_f64() / self.honest.as_secs_f64()
    }
}

/// Changes that put longer and longer taglines, as many and as large as those of the attack.
fn honest(replica: &mut Replica, sizes: &[usize]) -> Vec<Vec<u8>> {
    let texts = sizes.iter().map(|&bytes| {
        let length = bytes.saturating_sub(LEAST_CHANGE_BYTES).max(1);
        let letter = char::from(b'a' + u8::try_from(replica.seq.0 % 26).unwrap());
        letter.to_string().repeat(length)
    });
    let texts: Vec<String> = texts.collect();
    let put = |text: &String| replica.change(|doc| doc.put(ROOT, "tagline", text).unwrap());
    texts.iter().map(put).collect()
}

async fn measure(fortress: &Fortress, case: &Case) -> Figure {
    let entity = case.entity();
    create(&mut fortress.connect(CREATOR).await, &entity).await;
    for step in &case.setup {
        let mut client = fortress.connect(&step.by).await;
        let id = client.propose(&entity, step.bytes()).await;
        assert_eq!(answer(&mut client, id, None).await.code, ADMITTED);
    }
    let attack = case.attack.bytes();
    let sizes: Vec<usize> = attack.iter().map(Vec::len).collect();
    let bytes: usize = sizes.iter().sum();
    let times = (BYTES / bytes.max(1)).clamp(TIMES_MIN, TIMES_MAX);

    let mut attacker = fortress.connect(&case.attack.by).await;
    let before = cpu_time(fortress.process.id());
    for _ in 0..times {
        let id = attacker.propose(&entity, attack.clone()).await;
        assert_ne!(answer(&mut attacker, id, None).await.code, ADMITTED);
    }
    let hostile = cpu_time(fortress.process.id()).saturating_sub(before);

    let mut bob = fortress.connect("bob").await;
    let mut his = bob.replica(&entity.to_string()).await;
    let mut spent = Duration::ZERO;
    for _ in 0..times {
        let changes = honest(&mut his, &sizes);
        let before = cpu_time(fortress.process.id());
        let id = bob.propose(&entity, changes).await;
        assert_eq!(answer(&mut bob, id, Some(&mut his)).await.code, ADMITTED);
        spent += cpu_time(fortress.process.id()).saturating_sub(before);
    }
    let times = u32::try_from(times).unwrap();
    Figure {
        name: case.name.clone(),
        changes: sizes.len(),
        bytes,
        hostile: hostile / times,
        honest: spent / times,
    }
}

async fn attacks_beside_honest_changes() {
    let fortress = Fortress::start();
    let repeatable = |case: &&Case| {
        let frame = frame_bytes(&case.entity(), &case.attack);
        !case.is_admitted()
            && case.expect.admitted == 0
            && !case.attack.changes.is_empty()
            && frame <= Limits::default().frame_bytes_max
    };
    let mut figures = Vec::new();
    for case in hostile::cases().iter().filter(repeatable) {
        figures.push(measure(&fortress, case).await);
    }
    figures.sort_by(|a, b| b.ratio().total_cmp(&a.ratio()));
    println!(
        "{:<36} changes    bytes   hostile    honest   ratio",
        "attack"
    );
    for figure in figures.iter().take(SHOWN) {
        println!(
            "{:<36} {:>7} {:>8} {:>6} µs {:>6} µs {:>7.2}",
            figure.name,
            figure.changes,
            figure.bytes,
            figure.hostile.as_micros(),
            figure.honest.as_micros(),
            figure.ratio()
        );
    }
    println!(
        "{} attacks; dearest {:.2}, median {:.2} of an honest proposal of as many changes and bytes; \
         the server held {} KiB at most",
        figures.len(),
        figures[0].ratio(),
        figures[figures.len() / 2].ratio(),
        fortress.memory_kib()
    );
}

/// The median and the 99th percentile of the time from an edit to its acknowledgement.
async fn acknowledged(bob: &mut Client, his: &mut Replica) -> (Duration, Duration) {
    let mut times = Vec::new();
    for n in 0..EDITS {
        let change = his.put("tagline", &n.to_string());
        let began = Instant::now();
        let id = bob.propose(&his.entity, vec![change]).await;
        assert_eq!(answer(bob, id, Some(his)).await.code, ADMITTED);
        times.push(began.elapsed());
    }
    times.sort();
    (times[EDITS / 2], times[EDITS * 99 / 100])
}

/// Sends a refused change again and again, until the connection is dropped.
async fn flood(mut mallory: Client, entity: EntityId, change: Vec<u8>) {
    let mut waiting = std::collections::VecDeque::new();
    loop {
        waiting.push_back(mallory.propose(&entity, vec![change.clone()]).await);
        if waiting.len() == WINDOW {
            let id = waiting.pop_front().expect("just filled");
            assert_eq!(answer(&mut mallory, id, None).await.code, "policy");
        }
    }
}

async fn edits_beside_a_flood() {
    let fortress = Fortress::start();
    let mut alice = fortress.connect(CREATOR).await;
    for name in ["thing/flooded", "thing/beside"] {
        create(&mut alice, &name.parse().unwrap()).await;
    }
    let mut forger = alice.replica("thing/flooded").await;
    forger.doc.set_actor(fresh_actor());
    let forbidden = forger.put("rating", "forged");
    for name in ["thing/flooded", "thing/beside"] {
        let mut bob = fortress.connect("bob").await;
        let mut his = bob.replica(name).await;
        let (median, late) = acknowledged(&mut bob, &mut his).await;
        let mallory = fortress.connect("mallory").await;
        let flooding = tokio::spawn(flood(mallory, forger.entity.clone(), forbidden.clone()));
        let (median_then, late_then) = acknowledged(&mut bob, &mut his).await;
        flooding.abort();
        let ratio = |a: Duration, b: Duration| a.as_secs_f64() / b.as_secs_f64();
        println!(
            "{name}: acknowledged in {} µs (99 % in {} µs), beside a flood of thing/flooded in {} µs \
             ({} µs): {:.2} ({:.2})",
            median.as_micros(),
            late.as_micros(),
            median_then.as_micros(),
            late_then.as_micros(),
            ratio(median_then, median),
            ratio(late_then, late)
        );
    }
}

/// The 99th percentiles of what bystanders wait for.
async fn late(ada: &harness::Http) -> [Duration; 3] {
    let mut times: [Vec<Duration>; 3] = Default::default();
    let began = Instant::now();
    for turn in 0..TURNS {
        if began.elapsed() > STAND_BY_MAX {
            break;
        }
        for (of, time) in times.iter_mut().zip(stand_by(ada, turn).await) {
            of.push(time);
        }
    }
    times.map(|mut times| {
        times.sort();
        times[times.len() * 99 / 100]
    })
}

async fn bystanders_of_dear_requests() {
    let crowd = Crowd::start();
    let ada = crowd.http("ada");
    let note = serde_json::json!({ "text": "" });
    assert_eq!(ada.post("/api/notes?id=beside", note).await.status, 201);
    let quiet = late(&ada).await;
    let body = dear(DEAR_ELEMENTS).to_string();
    for (whose, authors) in [("one principal", 1), ("as many principals", many())] {
        // On a runtime of their own: what they do must not make the bystander late.
        let others = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        for n in 0..many() {
            let http = crowd.http(&format!("mallory-{}", n % authors));
            let body = body.clone();
            others.spawn(async move {
                loop {
                    let path = "/api/lists";
                    let (status, _) = http.send_blindly("POST", path, Some(body.clone())).await;
                    assert!([201, 503].contains(&status), "answered with {status}");
                }
            });
        }
        let beside = late(&ada).await;
        others.shutdown_background();
        for ((what, quiet), beside) in ["/healthz", "a read", "an edit"]
            .iter()
            .zip(quiet)
            .zip(beside)
        {
            let aim = (quiet * BYSTANDER_FACTOR).max(BYSTANDER_AIM);
            println!(
                "beside {} requests of {DEAR_ELEMENTS} elements by {whose}: 99 % of {what} in {} µs \
                 (quiet {} µs, aim {} µs: {})",
                many(),
                beside.as_micros(),
                quiet.as_micros(),
                aim.as_micros(),
                if beside <= aim { "met" } else { "missed" }
            );
        }
    }
    let held = figures::memory_kib(crowd.process.id(), "VmHWM") >> 10;
    println!(
        "the server held {held} MiB at most {}",
        figures::aim(held as f64, MEMORY_MIB_AIM as f64)
    );
}

fn main() {
    if !figures::are_wanted() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    // `cargo bench --bench wall -- bystanders` takes only these, and further words name shapes.
    let named: Vec<String> = std::env::args().skip(1).collect();
    let named: Vec<String> = named
        .into_iter()
        .filter(|word| !word.starts_with("--"))
        .collect();
    let (section, shapes) = match named.split_first() {
        Some((section, shapes)) => (Some(section.as_str()), shapes),
        None => (None, &[][..]),
    };
    let wanted = |name| section.is_none_or(|section| section == name);
    runtime.block_on(async {
        if wanted("attacks") {
            attacks_beside_honest_changes().await;
        }
        if wanted("flood") {
            edits_beside_a_flood().await;
        }
        if wanted("bystanders") {
            bystanders_of_dear_requests().await;
        }
        if wanted("cases") {
            cases::list().await;
        }
        if wanted("dearest") {
            dearest::list(shapes).await;
        }
    });
}
