//! The send family.
