//! getrandom(2).

use std::io;

/// Fills `buffer` with random bytes fit for secrets. Waits, in the first second of a machine's life at most.
pub(crate) fn getrandom(buffer: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        let rest = &mut buffer[filled..];
        // SAFETY: the rest of the buffer is writable for its length.
        let result = super::count(unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) });
        match result {
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A random number.
pub(crate) fn random_u64() -> io::Result<u64> {
    let mut bytes = [0; 8];
    getrandom(&mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_differ() {
        assert_ne!(super::random_u64().unwrap(), super::random_u64().unwrap());
    }
}
