//! The rules of RFC 5880, one by one, and two systems on virtual time.
