//! Layers by their names, as functions: `ether() / ipv4().dst("192.0.2.1") / tcp().dport(80) / "hello"`.
