//! The bodies of requests.
//!
//! Invariant: no body is read before its sender's rights are checked; what is held of all together
//! has one bound ([`Taken`]), and a larger one waits for room. Room is taken for what has come,
//! never for what is announced.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use futures_util::StreamExt as _;
use tokio::time::timeout;

use super::App;
use super::fields::Late;
use super::problem::Problem;
use crate::config::{BODY_BYTES_MAX, BODY_REST_BYTES_MAX};
use crate::room::Taken;

/// A body, and the room that it takes for as long as it is held.
pub(crate) struct Held {
    bytes: Result<Bytes, Problem>,
    _room: Taken,
}

impl Held {
    /// What came, or why it was not taken. The room stays taken until `self` goes: what is made of
    /// the bytes needs it, too.
    pub(crate) fn take(&mut self) -> Result<Bytes, Problem> {
        std::mem::replace(&mut self.bytes, Ok(Bytes::new()))
    }
}

/// Reads a body of `owner`, whose rights have been checked, to its end.
pub(crate) async fn read(app: &App, owner: &str, headers: &HeaderMap, body: Body) -> Held {
    let bytes_max = BODY_BYTES_MAX;
    let patience = app.config.connections.body_timeout;
    let told = headers.get(header::CONTENT_LENGTH);
    let told = told.and_then(|text| text.to_str().ok()?.parse::<usize>().ok());
    let told = told.unwrap_or(bytes_max);
    // What is thrown away needs no room.
    let kept_max = if told > bytes_max { 0 } else { bytes_max };
    let mut room = app.context.room.of(owner);
    let bytes = if told > bytes_max + BODY_REST_BYTES_MAX {
        Ok(None)
    } else {
        let coming = timeout(patience, gather(body, kept_max, &mut room)).await;
        coming.unwrap_or_else(|_| {
            if room.waits() {
                return Err(Problem::busy());
            }
            let title = "The body did not come in time";
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", title)
                .header(header::CONNECTION, HeaderValue::from_static("close")))
        })
    };
    let bytes = match bytes {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => {
            let title = "The body is too big";
            let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-big", title);
            Err(problem.detail(format!("at most {bytes_max} bytes")))
        }
        Err(problem) => Err(problem),
    };
    Held { bytes, _room: room }
}

/// All of a body, or `None` if it is more than `kept_max`. The rest is then thrown away as it comes,
/// up to a bound: a client that is still sending when the connection closes never reads the answer.
async fn gather(body: Body, kept_max: usize, room: &mut Taken) -> Result<Option<Bytes>, Problem> {
    let mut parts = body.into_data_stream();
    let mut kept = Vec::new();
    let mut came = 0;
    while let Some(part) = parts.next().await {
        let part = part.map_err(|error| {
            tracing::debug!(%error, "a body broke off");
            match late(&error) {
                Some(late) => Problem::bad_request(late.to_string()),
                None => Problem::bad_request("the body broke off, or is not framed as HTTP has it"),
            }
        })?;
        came += part.len();
        if came <= kept_max {
            room.reach(came).await;
            kept.extend_from_slice(&part);
        } else if came - kept_max <= BODY_REST_BYTES_MAX {
            kept = Vec::new();
            room.clear();
        } else {
            break;
        }
    }
    Ok((came <= kept_max).then(|| kept.into()))
}

/// What came too late, where that is what is wrong.
fn late(error: &axum::Error) -> Option<&Late> {
    let first: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |error| error.source())
        .find_map(|error| error.downcast_ref())
}
