//! The host's interfaces by name and number: if_nameindex(3).

use crate::base::{Errno, Reason, Result};
use crate::driver::Host;

impl Host {
    /// if_nameindex(3): number and name of every interface; 1 is `lo`.
    ///
    /// ```
    /// use sockatoo::Host;
    /// let host = Host::builder().build()?;
    /// assert_eq!(host.if_nameindex(), [(1, "lo".to_owned())]);
    /// assert_eq!(host.if_nametoindex("lo")?, 1);
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn if_nameindex(&self) -> Vec<(u32, String)> {
        self.interfaces().into_iter().map(|interface| (interface.index.0, interface.name)).collect()
    }

    /// if_nametoindex(3): the number of the interface that has this name.
    ///
    /// # Errors
    /// ENODEV.
    pub fn if_nametoindex(&self, name: &str) -> Result<u32> {
        let found = self.if_nameindex().into_iter().find(|(_, n)| n == name);
        found.map(|(index, _)| index).ok_or_else(|| Errno::ENODEV.because(Reason::NoInterface))
    }

    /// if_indextoname(3): the name of the interface that has this number.
    ///
    /// # Errors
    /// ENXIO.
    pub fn if_indextoname(&self, index: u32) -> Result<String> {
        let found = self.if_nameindex().into_iter().find(|(i, _)| *i == index);
        found.map(|(_, name)| name).ok_or_else(|| Errno::ENXIO.because(Reason::NoInterface))
    }
}
