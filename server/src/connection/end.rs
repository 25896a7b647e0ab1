//! Why a connection ends, and how that is said to the peer and to the log.

use std::borrow::Cow;

use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;

use super::heads::Flaw;

/// Close codes of the protocol; see `docs/protocol.md`.
pub(crate) mod close_code {
    /// Done.
    pub(crate) const NORMAL: u16 = 1000;
    /// For the log only: the line ended without a close.
    pub(crate) const ABNORMAL: u16 = 1006;
    /// For the log only: the peer closed without a code.
    pub(crate) const NONE: u16 = 1005;
    /// The server is going away; connect again.
    pub(crate) const GOING_AWAY: u16 = 1001;
    /// Against the rules of WebSocket (RFC 6455).
    pub(crate) const PROTOCOL: u16 = 1002;
    /// A text that is not UTF-8.
    pub(crate) const NOT_UTF8: u16 = 1007;
    /// The handshake did not come, or was not one.
    pub(crate) const POLICY: u16 = 1008;
    /// A frame was too big.
    pub(crate) const TOO_BIG: u16 = 1009;
    /// There is no room now; connect again later.
    pub(crate) const TRY_AGAIN: u16 = 1013;
    /// Bytes that are not a frame.
    pub(crate) const BAD_FRAME: u16 = 4400;
    /// The token is invalid or has expired; connect again with a fresh one.
    pub(crate) const UNAUTHORIZED: u16 = 4401;
    /// The rights changed with a fresh token; connect again with it.
    pub(crate) const RIGHTS_CHANGED: u16 = 4409;
}

/// Why a connection ends: how the server closes it, if the peer is still there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    /// The code and the sentence for the log, and for the peer where it is there to read them.
    pub(super) code: u16,
    pub(super) reason: Cow<'static, str>,
}

impl End {
    pub(super) fn new(code: u16, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }

    /// The peer went away without a word: its end of the line is gone.
    pub(super) fn gone(reason: &'static str) -> Self {
        Self::new(close_code::ABNORMAL, reason)
    }
}

/// All connections for those without a token are taken.
pub(super) fn crowded() -> End {
    End::new(
        close_code::TRY_AGAIN,
        "too many are connected without a token",
    )
}

/// A message is longer than its sender may send.
pub(super) fn too_big() -> End {
    End::new(close_code::TOO_BIG, "frame too big")
}

/// How to end after the peer has closed: with its own code, as is usual.
fn closed_by_peer(code: Option<u16>) -> End {
    let mut end = End::new(close_code::NORMAL, "goodbye");
    end.code = code.unwrap_or(close_code::NONE);
    end
}

/// How to end after the transport failed. The transport's own limit lies above the protocol's.
pub(super) fn transport_end(error: &Error) -> End {
    let flaw = match error {
        Error::Io(error) => error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Flaw>()),
        _ => None,
    };
    let end = match (flaw, error) {
        (Some(Flaw::Rule(rule)), _) => {
            End::new(close_code::PROTOCOL, format!("protocol error: {rule}"))
        }
        (Some(Flaw::Closed(code)), _) => return closed_by_peer(*code),
        (Some(Flaw::NotUtf8), _) => End::new(close_code::NOT_UTF8, "text is not UTF-8"),
        (Some(Flaw::TooLong(_)), _) => too_big(),
        (None, error) => transport_fault(error),
    };
    match flaw {
        Some(_) => tracing::info!(reason = %end.reason, "the peer sent what is not taken"),
        None => tracing::info!(%error, "the socket failed"),
    }
    end
}

fn transport_fault(error: &Error) -> End {
    match error {
        Error::Capacity(_) => too_big(),
        Error::Utf8(_) => End::new(close_code::NOT_UTF8, "text is not UTF-8"),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            End::gone("the connection was lost")
        }
        Error::Protocol(_) => End::new(close_code::PROTOCOL, "protocol error"),
        _ => End::gone("the connection was lost"),
    }
}
