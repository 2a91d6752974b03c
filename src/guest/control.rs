//! struct cmsghdr: control messages as the kernel lays them out, and their meaning.
