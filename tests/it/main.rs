//! The whole program against the sandbox, over real sockets.

mod floors;
mod history;
mod life;
mod rig;
