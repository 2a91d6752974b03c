//! Layers to bytes.

use std::net::IpAddr;

use super::dissection::Dissection;
use super::layer::Packet;
use crate::base::{Errno, Error, Mac};

/// Where a packet will set out: what a builder can't know by itself.
pub trait Surroundings {
    /// Our address on the way to `destination`.
    fn source(&self, destination: IpAddr) -> Option<IpAddr>;
    /// Our station address on the way to `destination`, and that of the next hop.
    fn stations(&self, destination: IpAddr) -> (Option<Mac>, Option<Mac>);
}

/// No host: sources are the unspecified address, stations are zero, the next hop's is the broadcast.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nowhere;

impl Surroundings for Nowhere {
    fn source(&self, _: IpAddr) -> Option<IpAddr> {
        None
    }
    fn stations(&self, _: IpAddr) -> (Option<Mac>, Option<Mac>) {
        (None, None)
    }
}

impl Packet {
    /// The packet's bytes, with every field in them. Of a packet that stands for many, the first.
    ///
    /// # Errors
    /// EINVAL for a value that its field can't hold, EMSGSIZE over 65,535 bytes of IP.
    pub fn build(&self, _around: &dyn Surroundings) -> Result<Dissection, Error> {
        Err(Errno::EOPNOTSUPP.into())
    }
}
