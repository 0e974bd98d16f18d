//! How the program gets memory from the system and gives it back.

/// Blocks of this size and more are given back as soon as they are let go.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: i32 = 1 << 20;

/// Lets large blocks go back to the system at once.
///
/// glibc raises the size from which it does so to that of the largest block freed so far, up to
/// 32 MiB. What is needed while a tree is listed, and tables that are moved when they grow, would
/// then stay in the heap as holes: a capture of a volume with 100,000 files takes 55 MiB so, and 43
/// with a fixed size. See `mallopt(3)`, M_MMAP_THRESHOLD.
pub fn give_large_blocks_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt only sets a parameter, and no other thread runs yet that could set it too.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
    }
}
