//! Volumes made by other programs.
