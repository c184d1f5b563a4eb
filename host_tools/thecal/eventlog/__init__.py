"""The pump's log on the host: read, in words, and whether it is as the pump wrote it."""
