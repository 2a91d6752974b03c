//! What packet crafters do, as functions that return results: the command line prints them.
//!
//! Every probe works on a [`crate::Host`], whatever its wire is.
