//! socket, bind, listen, accept, names, shutdown.
