//! mallopt(3): how the C library's allocator treats large buffers.

/// Makes buffers of 128 KiB and more (the usual limit) be mapped on demand and unmapped when they are dropped, from now on
/// and in the whole process. Without it glibc raises the limit at the first such buffer that is freed, and the rings of
/// later connections are zeroed by hand: an idle connection then keeps half a megabyte instead of a few pages. Nothing
/// happens with another C library.
pub(crate) fn map_large_buffers() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: mallopt takes two numbers; an unknown one is refused.
        let _refused = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, 128 * 1024) };
    }
}
