//! LZNT1: to be filled.
