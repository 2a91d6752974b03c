//! The rows of the table, by their levels.
//!
//! | file | what |
//! |---|---|
//! | `socket.rs` | SOL_SOCKET |
//! | `ip.rs` | SOL_IP |
//! | `ipv6.rs` | SOL_IPV6 |
//! | `transport.rs` | SOL_RAW, SOL_ICMPV6, SOL_TCP, SOL_UDP |
//! | `others.rs` | SOL_NETLINK, SOL_PACKET, SOL_CAN_RAW, SOL_CAN_ISOTP, SOL_CAN_J1939, SOL_RDS |

mod ip;
mod ipv6;
mod others;
mod socket;
mod transport;

use super::table::Row;

/// All options that Linux knows.
pub(super) const ALL: [&[Row]; 5] = [socket::ROWS, ip::ROWS, ipv6::ROWS, transport::ROWS, others::ROWS];
