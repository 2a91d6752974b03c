//! Where a host's unix socket is, and what hosts may be called.
//!
//! All hosts of a user are in one folder that is this user's alone. It exists while there is a host. Who makes or removes
//! something in it has its lock.

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::base::{Errno, Error, Result};
use crate::sys::privilege::geteuid;
use crate::sys::unix::NAME_MAX;

/// The name that is meant when none is given.
pub(crate) const DEFAULT: &str = "default";

/// The longest name of a host, in bytes.
const LONGEST: usize = 40;

/// The longest name of a bus: its hosts' sockets have names of 21 bytes in a folder of their own.
const LONGEST_BUS: usize = 16;

const SUFFIX: &str = ".sock";

/// The folder of this user's hosts: `$XDG_RUNTIME_DIR/sockatoo` where that directory is this user's (after `su` it is often
/// another's), else `/tmp/sockatoo-UID`.
pub(crate) fn folder() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    match runtime.filter(|runtime| is_usable(runtime)) {
        Some(runtime) => runtime.join("sockatoo"),
        None => PathBuf::from(format!("/tmp/sockatoo-{}", geteuid())),
    }
}

/// This user may write there, nobody else may, and the longest name of a host has room in an address.
fn is_usable(runtime: &Path) -> bool {
    let longest = runtime.as_os_str().len() + "/sockatoo/".len() + LONGEST + SUFFIX.len();
    runtime.is_absolute()
        && longest <= NAME_MAX
        && fs::metadata(runtime)
            .is_ok_and(|dir| dir.is_dir() && dir.uid() == geteuid() && dir.mode() & 0o722 == 0o700)
}

/// The unix socket of the host of this name. EINVAL for a name that is none; EACCES if the folder is not this user's alone.
pub(crate) fn socket_of(host: &str) -> Result<PathBuf> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    if host.is_empty() || host.len() > LONGEST || host.starts_with(['.', '-']) || !host.chars().all(good) {
        return Err(Errno::EINVAL
            .with(format!("`{host}` can't be a host's name: up to 40 letters, digits and - _ . : are one")));
    }
    let folder = folder();
    is_ours(&folder)?;
    Ok(folder.join(format!("{host}{SUFFIX}")))
}

/// The folder of the CAN bus of this name, in which its hosts meet; the folder that it is in is made if need be. EINVAL for a name
/// that is none; EACCES if the folder is not this user's alone. Until the lock is dropped nobody removes that folder.
pub(crate) fn bus_of(bus: &str) -> Result<(PathBuf, Lock)> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if bus.is_empty() || bus.len() > LONGEST_BUS || !bus.chars().all(good) {
        return Err(Errno::EINVAL.with(format!(
            "`{bus}` can't be a bus's name: up to {LONGEST_BUS} letters, digits and - _ are one"
        )));
    }
    let lock = Lock::take()?;
    Ok((lock.folder.join(format!("{bus}.can")), lock))
}

/// The names of the hosts that are there; some may have died since.
pub(crate) fn hosts() -> Result<Vec<String>> {
    let folder = folder();
    if !is_ours(&folder)? {
        return Ok(Vec::new());
    }
    let mut hosts = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        hosts.extend(name.to_str().and_then(|name| name.strip_suffix(SUFFIX)).map(str::to_owned));
    }
    hosts.sort_unstable();
    Ok(hosts)
}

/// The folder's lock: nobody else makes or removes a host in it until this is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    folder: PathBuf,
    // flock(2) ends with the descriptor.
    _file: File,
}

impl Lock {
    /// Makes the folder if need be, and waits for its lock.
    pub(crate) fn take() -> Result<Self> {
        let folder = folder();
        let named = |error: std::io::Error| Error::from(error).detail(folder.display().to_string());
        loop {
            match DirBuilder::new().mode(0o700).create(&folder) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(named(error)),
                _ => {}
            }
            // The last host may have removed it meanwhile, before it was opened or while its lock was waited for.
            if is_ours(&folder)?
                && let Ok(file) = File::open(&folder)
            {
                file.lock().map_err(named)?;
                let (locked, there) = (file.metadata().map_err(named)?, fs::symlink_metadata(&folder));
                if there.is_ok_and(|there| (there.dev(), there.ino()) == (locked.dev(), locked.ino())) {
                    return Ok(Self { folder, _file: file });
                }
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Only if nothing is in it: the last host takes the folder along.
        let _ = fs::remove_dir(&self.folder);
    }
}

/// True if the folder exists. EACCES if somebody else might be behind it: who may write into /tmp can make one there first.
fn is_ours(folder: &Path) -> Result<bool> {
    match fs::symlink_metadata(folder) {
        Ok(it) if it.is_dir() && it.uid() == geteuid() && it.mode() & 0o077 == 0 => Ok(true),
        Ok(_) => Err(Errno::EACCES.with(format!(
            "{} is not a folder that only this user may open: remove it, or set XDG_RUNTIME_DIR to one",
            folder.display()
        ))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::from(error).detail(folder.display().to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn names_that_would_lead_elsewhere_are_none() {
        for bad in ["", ".", "..", "a/b", "-h", "a b", "a\0", &"x".repeat(41)] {
            assert_eq!(socket_of(bad).unwrap_err().errno(), Errno::EINVAL, "{bad:?}");
        }
        assert!(socket_of("lab:h-1_a.b").unwrap().ends_with("lab:h-1_a.b.sock"));
    }

    #[test]
    fn a_folder_that_others_may_open_or_that_is_a_link_is_not_taken() {
        let place = std::env::temp_dir().join(format!("sockatoo-place-{}", std::process::id()));
        assert!(!is_ours(&place).unwrap());
        DirBuilder::new().mode(0o700).create(&place).unwrap();
        assert!(is_ours(&place).unwrap());
        let link = place.join("link");
        symlink(&place, &link).unwrap();
        assert_eq!(is_ours(&link).unwrap_err().errno(), Errno::EACCES);
        fs::set_permissions(&place, fs::Permissions::from_mode(0o750)).unwrap();
        assert_eq!(is_ours(&place).unwrap_err().errno(), Errno::EACCES);
        fs::remove_dir_all(&place).unwrap();
    }
}
