//! What there is at a host, as rows: what `ip` and `ss` show.

use super::Host;
use crate::base::verb::{Answer, Verb, listing};
use crate::base::{NeighbourRow, Result, RouteRow, SocketRow};

impl Host {
    /// The routes, longest prefix first.
    ///
    /// # Errors
    /// ENETDOWN, EINTR: the host was in another process, which has ended.
    ///
    /// ```
    /// use sockatoo::Host;
    /// let host = Host::builder().device(sockatoo::device::Cable::pair(Default::default()).0).address("192.0.2.1/24")?.build()?;
    /// host.add_route("198.51.100.0/24", Some([192, 0, 2, 2].into()), None)?;
    /// let network = "198.51.100.0/24".parse()?;
    /// let route = host.routes()?.into_iter().find(|route| route.network == network).unwrap();
    /// assert_eq!(route.via, Some([192, 0, 2, 2].into()));
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn routes(&self) -> Result<Vec<RouteRow>> {
        listing(|from| self.perform(Verb::Routes(from)), Answer::routes)
    }

    /// The neighbours, by interface and address.
    ///
    /// # Errors
    /// As [`Host::routes`].
    pub fn neighbours(&self) -> Result<Vec<NeighbourRow>> {
        listing(|from| self.perform(Verb::Neighbours(from)), Answer::neighbours)
    }

    /// The sockets, then the connections without one. Of a host in another process those of all its clients.
    ///
    /// # Errors
    /// As [`Host::routes`].
    ///
    /// ```
    /// use sockatoo::{Host, socket::*};
    /// let host = Host::builder().build()?;
    /// let server = host.socket(AF_INET, SOCK_STREAM, 0)?;
    /// server.bind(("127.0.0.1", 80))?;
    /// server.listen(5)?;
    /// let rows = host.sockets()?;
    /// assert_eq!(rows[0].state.unwrap().name(), "LISTEN");
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn sockets(&self) -> Result<Vec<SocketRow>> {
        listing(|from| self.perform(Verb::Sockets(from)), Answer::sockets)
    }
}
