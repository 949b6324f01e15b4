"""Features leave sslax as files that others read: `sslax export`."""
