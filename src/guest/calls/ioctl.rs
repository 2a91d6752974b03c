//! ioctl(2): what is asked of a socket about interfaces and queues.
