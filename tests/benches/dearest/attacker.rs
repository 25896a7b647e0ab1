//! Somebody who sends the dearest requests, one after the other, to a server that others use, too.

use std::path::Path;

use super::ground::{Ground, Said};
use super::shape::Shape;
use super::{frames, http};

/// How many times as large as those that a search begins with the requests of each round are.
const GROWTH: [usize; 2] = [1, 4];

pub(crate) struct Attacker {
    ground: Ground,
    turn: usize,
}

impl Attacker {
    /// One of a number of attackers, who begin at different places of the list.
    pub(crate) fn new(authority: &str, data: &Path, (number, of): (usize, usize)) -> Self {
        Self {
            ground: Ground::beside(authority, data, &format!("mallory-{number}")),
            turn: number * shapes().count() / of,
        }
    }

    /// The request that is next.
    fn next(&self) -> (&'static Shape, [usize; 2]) {
        let count = shapes().count();
        let next = shapes().nth(self.turn % count);
        let shape = next.expect("a remainder is less");
        let length = shape.start[0] * GROWTH[self.turn / count % GROWTH.len()];
        (shape, [length.min(shape.most[0]), shape.start[1]])
    }

    /// What the next request is called.
    pub(crate) fn name(&self) -> &'static str {
        self.next().0.name
    }

    /// Sends it, and takes away what it needed. Whether it was taken.
    pub(crate) async fn attack(&mut self) -> bool {
        let (shape, at) = self.next();
        self.turn += 1;
        let request = (shape.prepare)(&mut self.ground, at).await;
        let (_, is_taken) = request.send(&mut self.ground).await;
        self.ground.clear().await;
        is_taken
    }

    /// What the server said of the writes since this was asked for.
    pub(crate) fn take_said(&mut self) -> Vec<Said> {
        self.ground.take_said()
    }
}

fn shapes() -> impl Iterator<Item = &'static Shape> {
    http::SHAPES.iter().chain(frames::SHAPES)
}
