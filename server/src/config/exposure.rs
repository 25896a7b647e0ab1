//! Which addresses may be listened on.

use std::net::SocketAddr;

use super::Mode;

/// Who may be able to reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// Only this machine: any other address is refused.
    LoopbackOnly,
    /// Anybody: the operator said so.
    Public,
}

/// Who can reach an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Only this machine.
    Loopback,
    /// Others too.
    Others,
}

/// Why an address is not served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExposureError {
    /// Others can reach the address, and that was not allowed.
    #[error("{0} can be reached by others, which has to be allowed explicitly")]
    NotAllowed(SocketAddr),
    /// The conveniences of development on an address that others can reach.
    #[error("development mode is for loopback addresses, not for {0}")]
    Development(SocketAddr),
}

impl Exposure {
    /// Who can reach an address.
    ///
    /// # Errors
    /// [`ExposureError`] when others can, and may not.
    pub fn check(self, address: SocketAddr, mode: Mode) -> Result<Reach, ExposureError> {
        if address.ip().to_canonical().is_loopback() {
            return Ok(Reach::Loopback);
        }
        match (mode, self) {
            (Mode::Development, _) => Err(ExposureError::Development(address)),
            (Mode::Production, Self::LoopbackOnly) => Err(ExposureError::NotAllowed(address)),
            (Mode::Production, Self::Public) => Ok(Reach::Others),
        }
    }
}
