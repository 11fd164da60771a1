//! The unix-socket API of the running agent.
