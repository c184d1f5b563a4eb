"""The host's end of the link: session, client, transport; against a pump in memory and over real ptys."""
