//! IP: input, output, routes, source addresses, fragments, ICMP, multicast groups. Called by net.rs.
