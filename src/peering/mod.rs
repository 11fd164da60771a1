//! The speaker's shell: listener, sockets, timers.
