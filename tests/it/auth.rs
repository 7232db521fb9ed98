//! `auth`: every way to log in, from its command to a run that works, and every way in which it goes wrong.

mod browser;
pub(crate) mod desk;
mod highlevel;
mod show;
mod terminal;
mod twitch;
