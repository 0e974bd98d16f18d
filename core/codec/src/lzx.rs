//! LZX: to be filled.
