//! The recv family.
