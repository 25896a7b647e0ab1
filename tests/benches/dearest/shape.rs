//! What a shape of requests is: a name, two sizes with their bounds, and how one is prepared.

use std::future::Future;
use std::pin::Pin;

use super::ground::{Ground, Request};

pub(super) type Prepared<'a> = Pin<Box<dyn Future<Output = Request> + 'a>>;

/// One shape of requests.
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) start: [usize; 2],
    pub(super) least: [usize; 2],
    pub(super) most: [usize; 2],
    pub(super) prepare: for<'a> fn(&'a mut Ground, [usize; 2]) -> Prepared<'a>,
}

macro_rules! shape {
    ($name:literal, $start:expr, $least:expr, $most:expr, $prepare:expr) => {
        Shape {
            name: $name,
            start: $start,
            least: $least,
            most: $most,
            prepare: |ground, at| Box::pin(async move { $prepare(ground, at).await }),
        }
    };
}

pub(super) use shape;
