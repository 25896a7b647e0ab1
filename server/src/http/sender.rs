//! Where a request came from, and whether its sender may write more at present.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;

use super::App;
use super::caller::Caller;
use super::problem::Problem;
use crate::rates::Writer;

/// The address that a request is counted under, if callers have different ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sender(pub(crate) Option<IpAddr>);

impl Sender {
    /// Of a request.
    pub(crate) fn of(parts: &Parts, app: &App) -> Self {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let address = peer.and_then(|ConnectInfo(peer)| {
            let proxies = &app.config.trusted_proxies;
            let address = proxies.address(peer.ip(), &parts.headers);
            if address.is_none() {
                app.turned_away.untrusted_proxy(&parts.headers);
            }
            address
        });
        Self(address)
    }

    /// Counts a write of `caller`.
    ///
    /// # Errors
    /// 429, with when to try again.
    pub(crate) fn writes(self, app: &App, caller: &Caller, creates: bool) -> Result<(), Problem> {
        let writer = Writer {
            principal: &caller.0,
            address: self.0,
        };
        let entered = app.context.rates.enter(writer, creates);
        entered.map_err(|exhausted| {
            Problem::rate_limited(exhausted.seconds()).detail(exhausted.to_string())
        })
    }
}

impl FromRequestParts<App> for Sender {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        Ok(Self::of(parts, app))
    }
}
