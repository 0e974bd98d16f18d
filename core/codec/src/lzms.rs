//! LZMS: to be filled.
