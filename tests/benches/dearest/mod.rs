//! The dearest request of each kind: walks shapes and sizes, climbs to where a request costs the
//! server most processor time for what it brings and what has to be loaded for it, and prints that.
//!
//! A request is measured by the time that all threads of the server run until they rest again. The
//! price is that time for each 100,000 operations or MiB, whichever the request has more of.

mod alone;
pub(crate) mod attacker;
mod frames;
pub(crate) mod ground;
mod http;
mod load;
mod shape;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use alone::{Alone, alone, changes};
use ground::Ground;
use load::Load;
use shape::Shape;

use super::figures::{cpu_time, is_busy, memory_kib};

/// What a request may cost for each unit.
const AIM: Duration = Duration::from_millis(250);
/// How long one shape is climbed.
const CLIMB: Duration = Duration::from_secs(10);
/// How long the server's threads rest when they are done.
const REST: Duration = Duration::from_millis(40);

/// What one request cost.
#[derive(Debug, Clone, Copy)]
struct Figure {
    spent: Duration,
    load: Load,
    is_taken: bool,
    /// The most that the server ever held.
    held_kib: u64,
    /// Of what a body over HTTP made.
    alone: Option<Alone>,
}

impl Figure {
    fn price(self) -> Duration {
        self.spent.div_f64(self.load.units())
    }
}

/// Waits until the server's threads rest, and gives what they have run in all.
async fn rested(pid: u32) -> Duration {
    let mut last = cpu_time(pid);
    loop {
        tokio::time::sleep(REST).await;
        let now = cpu_time(pid);
        // A timer of the runtime takes microseconds. On a loaded machine what wants to run may have
        // to wait.
        if now.saturating_sub(last) < Duration::from_millis(1) && !is_busy(pid) {
            return now;
        }
        last = now;
    }
}

async fn measure(ground: &mut Ground, shape: &Shape, at: [usize; 2]) -> Figure {
    let request = (shape.prepare)(ground, at).await;
    let written = request.written();
    let known = match &written {
        Some(written) if written.is_there => changes(ground, &written.entity).await.len(),
        // The genesis.
        _ => 1,
    };
    let before = rested(ground.process()).await;
    let (load, is_taken) = request.send(ground).await;
    let spent = rested(ground.process()).await.saturating_sub(before);
    let alone = match written.filter(|_| is_taken) {
        Some(written) => Some(alone(&changes(ground, &written.entity).await, known)),
        None => None,
    };
    Figure {
        spent,
        load,
        is_taken,
        held_kib: memory_kib(ground.process(), "VmHWM"),
        alone,
    }
}

/// Where a step leads: one size twice or half as large.
fn neighbours(at: [usize; 2], shape: &Shape) -> Vec<[usize; 2]> {
    let mut found = Vec::new();
    for axis in 0..2 {
        for size in [at[axis] * 2, at[axis] / 2] {
            let mut next = at;
            next[axis] = size.clamp(shape.least[axis], shape.most[axis]);
            if next != at {
                found.push(next);
            }
        }
    }
    found
}

/// Climbs from the middle of a shape's sizes to where nothing beside is dearer.
async fn climb(shape: &Shape) -> ([usize; 2], Figure) {
    let mut ground = Ground::start();
    let began = Instant::now();
    let mut known: BTreeMap<[usize; 2], Figure> = BTreeMap::new();
    let mut top = shape.start;
    known.insert(top, measure(&mut ground, shape, top).await);
    'climbing: loop {
        let here = top;
        for next in neighbours(here, shape) {
            if began.elapsed() > CLIMB {
                break 'climbing;
            }
            if known.contains_key(&next) {
                continue;
            }
            known.insert(next, measure(&mut ground, shape, next).await);
            if known[&next].price() > known[&top].price() {
                top = next;
            }
        }
        if top == here {
            break;
        }
    }
    (top, known[&top])
}

/// Sizes to measure at, as `10000x1`.
fn sizes(word: &str) -> Option<[usize; 2]> {
    let (first, second) = word.split_once('x')?;
    Some([first.parse().ok()?, second.parse().ok()?])
}

/// Prints the dearest request of every shape, or of those that are named; at the sizes that are
/// named, where there are some, instead of looking for the dearest.
pub(super) async fn list(words: &[String]) {
    let asked: Vec<[usize; 2]> = words.iter().filter_map(|word| sizes(word)).collect();
    let named: Vec<&String> = words.iter().filter(|word| sizes(word).is_none()).collect();
    println!(
        "{:<42} {:>16} {:>9} {:>10} {:>9} {:>8} {:>11}  Automerge alone (encoding + applying + saving + loading)",
        "dearest request", "sizes", "CPU", "operations", "KiB", "held", "per unit"
    );
    for shape in http::SHAPES.iter().chain(frames::SHAPES) {
        if !named.is_empty() && !named.iter().any(|name| shape.name.contains(name.as_str())) {
            continue;
        }
        if asked.is_empty() {
            let (at, figure) = climb(shape).await;
            print(shape, at, figure);
        }
        for &at in &asked {
            let figure = measure(&mut Ground::start(), shape, at).await;
            print(shape, at, figure);
        }
    }
}

fn print(shape: &Shape, at: [usize; 2], figure: Figure) {
    let price = figure.price();
    let alone = figure.alone.map_or_else(String::new, |alone| {
        let each = |time: Duration| time.div_f64(figure.load.units()).as_millis();
        let parts = [alone.encoded, alone.applied, alone.saved, alone.loaded];
        let listed = parts.map(|part| each(part).to_string()).join(" + ");
        format!("  {listed} = {} ms", each(parts.iter().sum()))
    });
    println!(
        "{:<42} {:>16} {:>6} ms {:>10} {:>9} {:>4} MiB {:>8} ms ({}{}){alone}",
        shape.name,
        format!("{} × {}", at[0], at[1]),
        figure.spent.as_millis(),
        figure.load.operations,
        figure.load.bytes >> 10,
        figure.held_kib >> 10,
        price.as_millis(),
        if price <= AIM { "met" } else { "MISSED" },
        if figure.is_taken { "" } else { ", refused" }
    );
}
