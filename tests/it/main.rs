//! The whole program against the sandbox, over real sockets.

mod crash;
mod life;
mod rig;
mod scenes;
