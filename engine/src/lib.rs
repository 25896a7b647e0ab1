//! The sync engine of Indelible: schema, policy, admission, merge, history and protocol, without I/O.
