//! struct sockaddr of the families that we have: bytes and meaning.
