"""The command line: `sslax COMMAND ...`, one file a command."""
