//! Where a host's unix socket is, and what hosts may be called.

use std::path::PathBuf;

use crate::base::{Errno, Result};

/// The name that is meant when none is given.
pub(crate) const DEFAULT: &str = "default";

/// The folder of this user's hosts: `$XDG_RUNTIME_DIR/sockatoo`, else `/tmp/sockatoo-UID`.
pub(crate) fn folder() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(runtime) if !runtime.is_empty() => PathBuf::from(runtime).join("sockatoo"),
        _ => PathBuf::from(format!("/tmp/sockatoo-{}", crate::sys::privilege::geteuid())),
    }
}

/// The unix socket of the host of this name. EINVAL for a name that is none.
pub(crate) fn socket_of(host: &str) -> Result<PathBuf> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    if host.is_empty() || host.len() > 40 || host.starts_with('.') || !host.chars().all(good) {
        return Err(Errno::EINVAL
            .with(format!("`{host}` can't be a host's name: up to 40 letters, digits and - _ . : are one")));
    }
    Ok(folder().join(format!("{host}.sock")))
}
