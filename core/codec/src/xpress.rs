//! XPRESS: to be filled.
