//! Packets for people: a tree, hex with the layers marked, an explanation of each byte, the differences of two; and packets as
//! programs for others.
