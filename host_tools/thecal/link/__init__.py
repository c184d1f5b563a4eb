"""The serial line to a pump: frames, sessions, keys, and the client that speaks over them."""
