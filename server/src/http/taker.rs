//! Who takes an answer, and on which connection.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::App;
use super::caller::Caller;
use super::problem::Problem;
use super::sender::Sender;
use crate::memory::{self, Consumer};

/// The connection that a request came on, for what its answer holds.
#[derive(Debug)]
pub(crate) struct Taker {
    consumer: Arc<Consumer>,
    /// Where the request came from.
    pub(super) sender: Sender,
}

impl Taker {
    /// The same, for the requests of a caller.
    pub(super) fn of(self, caller: &Caller) -> Self {
        let owner = memory::owner(&caller.0, self.sender.0);
        self.consumer.belongs_to(owner);
        self
    }

    pub(super) fn consumer(&self) -> &Consumer {
        &self.consumer
    }
}

impl FromRequestParts<App> for Taker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let consumer = parts.extensions.get::<Arc<Consumer>>();
        Ok(Self {
            consumer: consumer.map(Arc::clone).ok_or_else(Problem::internal)?,
            sender: Sender::of(parts, app),
        })
    }
}
