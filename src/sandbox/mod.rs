//! The loopback simulator of the vendors.
