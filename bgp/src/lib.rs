//! sans-IO BGP speaker
