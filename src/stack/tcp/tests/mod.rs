//! TCP between two stacks, in virtual time.
