//! The whole program against the sandbox, over real sockets.

mod life;
mod rig;
