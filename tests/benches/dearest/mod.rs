//! The dearest request of each kind: walks shapes and sizes, climbs to where a request costs the
//! server most processor time for what it brings and what has to be loaded for it, and prints that.
//!
//! A request is measured by the time that all threads of the server run until they rest again. The
//! price is that time for each 100,000 operations or MiB, whichever the request has more of.

mod shapes;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use shapes::{Ground, SHAPES, Shape};

use super::cpu_time;

/// What a request may cost for each unit.
const AIM: Duration = Duration::from_millis(250);
/// Operations of a unit.
const UNIT_OPERATIONS: f64 = 100_000.0;
/// Bytes of a unit.
const UNIT_BYTES: f64 = 1_048_576.0;
/// A request of less is taken for this part of a unit: below, it is the round trip that is measured.
const LEAST_UNITS: f64 = 0.05;
/// How long one shape is climbed.
const CLIMB: Duration = Duration::from_secs(25);
/// How long the server's threads rest when they are done.
const REST: Duration = Duration::from_millis(40);

/// What a request brings, and what the server must have at hand for it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Load {
    pub(super) operations: usize,
    pub(super) bytes: usize,
}

impl Load {
    fn units(self) -> f64 {
        let operations = self.operations as f64 / UNIT_OPERATIONS;
        let bytes = self.bytes as f64 / UNIT_BYTES;
        operations.max(bytes).max(LEAST_UNITS)
    }
}

/// What one request cost.
#[derive(Debug, Clone, Copy)]
struct Figure {
    spent: Duration,
    load: Load,
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
        // A timer of the runtime takes microseconds.
        if now.saturating_sub(last) < Duration::from_millis(1) {
            return now;
        }
        last = now;
    }
}

async fn measure(ground: &mut Ground, shape: &Shape, at: [usize; 2]) -> Figure {
    let request = (shape.prepare)(ground, at).await;
    let before = rested(ground.process()).await;
    let load = request.send(ground).await;
    let spent = rested(ground.process()).await.saturating_sub(before);
    Figure { spent, load }
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

/// Prints the dearest request of every shape, or of those that are named.
pub(super) async fn list(named: &[String]) {
    println!(
        "{:<42} {:>16} {:>9} {:>10} {:>9} {:>11}",
        "dearest request", "sizes", "CPU", "operations", "KiB", "per unit"
    );
    for shape in SHAPES {
        if !named.is_empty() && !named.iter().any(|name| shape.name.contains(name.as_str())) {
            continue;
        }
        let (at, figure) = climb(shape).await;
        let price = figure.price();
        println!(
            "{:<42} {:>16} {:>6} ms {:>10} {:>9} {:>8} ms ({})",
            shape.name,
            format!("{} × {}", at[0], at[1]),
            figure.spent.as_millis(),
            figure.load.operations,
            figure.load.bytes >> 10,
            price.as_millis(),
            if price <= AIM { "met" } else { "MISSED" }
        );
    }
}
