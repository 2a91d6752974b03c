//! getsockopt(2) and setsockopt(2).

use crate::base::{Result, SocketId};
use crate::stack::Stack;

impl Stack {
    /// getsockopt(2): the value's bytes as Linux lays them out, cut to `len`.
    pub(crate) fn getsockopt(&mut self, id: SocketId, level: i32, name: i32, len: usize) -> Result<Vec<u8>> {
        todo!()
    }
    /// setsockopt(2): the value's bytes as Linux lays them out.
    pub(crate) fn setsockopt(&mut self, id: SocketId, level: i32, name: i32, value: &[u8]) -> Result<()> {
        todo!()
    }
}
