//! connect(2).
