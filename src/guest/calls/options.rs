//! getsockopt(2) and setsockopt(2).
