//! The Indelible server.
