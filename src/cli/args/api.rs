//! The arguments of `api`, which has them in a folder of its own.

pub use super::super::api::args::Api;
