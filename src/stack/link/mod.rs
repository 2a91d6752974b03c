//! Links: interfaces, Ethernet, ARP and NDP with the neighbour table. Called by ip/ and net.rs.
