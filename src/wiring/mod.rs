//! Exposures to desired objects, one file per exposing method.
