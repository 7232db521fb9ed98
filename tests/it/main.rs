//! The whole program against the sandbox, over real sockets.

mod crash;
mod life;
mod lost;
mod reading;
mod rig;
mod scenes;
