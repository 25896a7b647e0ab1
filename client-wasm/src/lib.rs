//! The Indelible client core.
