"""`python -m sslax COMMAND ...`, the same as the console script."""

from sslax.commands.main import main

if __name__ == "__main__":
    main()
