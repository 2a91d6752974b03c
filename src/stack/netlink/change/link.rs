//! RTM_NEWLINK and RTM_SETLINK: an interface that is there is changed.

use super::{LINK, RTM_NEWLINK, short};
use crate::base::netlink::{Message, NLM_F_CREATE, attributes, u32_at};
use crate::base::{Errno, IfIndex, Mac, Reason, Result};
use crate::stack::Net;

impl Net {
    /// The interface that a request names by its number or by IFLA_IFNAME. EINVAL if it names none, ENODEV if there is none.
    pub(in crate::stack::netlink) fn link_named(&self, request: &Message<'_>) -> Result<IfIndex> {
        const IFLA_IFNAME: u16 = 3;
        const IFLA_ALT_IFNAME: u16 = 53;
        let index = request.word(4);
        if index != 0 {
            return Some(IfIndex(index))
                .filter(|index| self.interface(*index).is_some())
                .ok_or(Errno::ENODEV.because(Reason::NoInterface));
        }
        let name = request.attribute(LINK, IFLA_IFNAME).or_else(|| request.attribute(LINK, IFLA_ALT_IFNAME));
        // __rtnl_newlink says ENODEV (`ip` asks so whether there is RTM_NEWLINK), do_setlink EINVAL.
        let errno = if request.kind == RTM_NEWLINK { Errno::ENODEV } else { Errno::EINVAL };
        let name = name.ok_or_else(|| errno.with("the request names no interface"))?;
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let named = self.interfaces().iter().find(|interface| interface.name.as_bytes() == name);
        named.map(|interface| interface.index).ok_or(Errno::ENODEV.because(Reason::NoInterface))
    }

    /// RTM_NEWLINK, RTM_SETLINK: an interface that is there gets what the request names (do_setlink).
    pub(super) fn set_link_by(&mut self, request: &Message<'_>) -> Result<()> {
        const IFLA_ADDRESS: u16 = 1;
        const IFLA_IFNAME: u16 = 3;
        const IFLA_MTU: u16 = 4;
        const IFLA_MASTER: u16 = 10;
        const IFLA_TXQLEN: u16 = 13;
        const IFLA_IFALIAS: u16 = 20;
        const IFLA_GROUP: u16 = 27;
        /// IFLA_EXT_MASK, IFLA_ALT_IFNAME: they name what is meant, and change nothing.
        const NAMES: [u16; 2] = [29, 53];
        short(request, LINK)?;
        let interface = self.link_named(request);
        if request.flags & NLM_F_CREATE != 0 && interface.is_err() {
            return Err(Errno::EOPNOTSUPP.with("a sockatoo host gets its interfaces when it is made"));
        }
        let interface = interface?;
        let (flags, change) = (request.word(8), request.word(12));
        for (kind, value) in attributes(request.body.get(LINK..).unwrap_or_default()) {
            let number = || u32_at(value, 0).ok_or(Errno::ERANGE.because(Reason::OptionLength));
            let text = || {
                let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
                std::str::from_utf8(text).map_err(|_| Errno::EINVAL.with("a name must be UTF-8"))
            };
            match kind {
                IFLA_ADDRESS => {
                    // validate_linkmsg: "if (nla_len(tb[IFLA_ADDRESS]) < dev->addr_len) return -EINVAL;"
                    let mac = value.first_chunk().ok_or(Errno::EINVAL.because(Reason::OptionLength))?;
                    self.set_station(interface, Mac(*mac))?;
                }
                IFLA_IFNAME => self.rename(interface, text()?)?,
                IFLA_MTU => self.set_mtu(interface, number()? as usize)?,
                IFLA_TXQLEN => self.set_queue_len(interface, number()?)?,
                IFLA_IFALIAS => self.set_alias(interface, text()?)?,
                IFLA_GROUP => self.set_group(interface, number()?)?,
                // "nomaster" of an interface that has none.
                IFLA_MASTER if number()? == 0 => {}
                _ if NAMES.contains(&kind) => {}
                _ => {
                    return Err(Errno::EOPNOTSUPP.with(
                        "of an interface the state, flags, MTU, address, name, alias, group and queue length can be set",
                    ));
                }
            }
        }
        // rtnl_dev_get_flags: "bugwards compatibility: ifi_change == 0 is treated as ~0".
        let change = if flags != 0 && change == 0 { u32::MAX } else { change };
        self.set_flags(interface, flags, change)
    }
}
